// For who leads the team: why customers leave, what another threshold would have meant, and a backtest's report.
import { Backtest } from "../component/backtest.mjs";
import { Causes } from "../component/causes.mjs";
import { Threshold } from "../component/threshold.mjs";
import { route, setQuery } from "../lib/route.mjs";
import { t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

const VIEWS = { causes: Causes, threshold: Threshold, backtest: Backtest };

export function InsightsPage() {
  const asked = route.value.query.get("show");
  const show = VIEWS[asked] ? asked : "causes";
  const View = VIEWS[show];
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("insights.title")}</h1>
      <div class="segments" role="group" aria-label=${t("insights.title")}>
        ${Object.keys(VIEWS).map((one) => html`<button type="button" key=${one} aria-pressed=${show === one}
            onClick=${() => setQuery({ show: one === "causes" ? "" : one })}>${t(`insights.${one}`)}</button>`)}
      </div></header>
    <${View} />
  </section>`;
}
