// For who leads the team: why customers leave, how many are kept, how they are served, whether acting helped, what another threshold would have meant, and a backtest's report.
import { Backtest } from "../component/backtest.mjs";
import { Causes } from "../component/causes.mjs";
import { OutcomeView } from "../component/outcome.mjs";
import { RetentionView } from "../component/retention.mjs";
import { ServiceView } from "../component/service.mjs";
import { Threshold } from "../component/threshold.mjs";
import { may } from "../lib/api.mjs";
import { route, setQuery } from "../lib/route.mjs";
import { t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

const VIEWS = { causes: Causes, retention: RetentionView, service: ServiceView, outcome: OutcomeView, threshold: Threshold, backtest: Backtest };
const NEEDS = { retention: "customers:read", service: "customers:read", outcome: "holdout:read" };

export function InsightsPage() {
  const asked = route.value.query.get("show");
  const shown = Object.keys(VIEWS).filter((one) => !NEEDS[one] || may(NEEDS[one]));
  const show = shown.includes(asked) ? asked : "causes";
  const View = VIEWS[show];
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.insights")}</h1>
      <div class="segments wrapping" role="group" aria-label=${t("nav.insights")}>
        ${shown.map((one) => html`<button type="button" key=${one} aria-pressed=${show === one}
            onClick=${() => setQuery({ show: one === "causes" ? "" : one })}>${t(`insights.${one}`)}</button>`)}
      </div></header>
    <${View} />
  </section>`;
}
