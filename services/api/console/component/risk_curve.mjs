// A customer's risk day by day, as it was computed then: a step line, because it holds until the next computation.
import { api } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { chance, percent, t, utcDate, utcMonth } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Chart } from "./chart.mjs";
import { Failed, Waiting } from "./empty.mjs";

const DAY_MS = 86_400_000;
const SHORTEST_DAYS = 14;
const N_TICKS = 5;
const LEVELS = [0, 0.25, 0.5, 0.75, 1];

/** `risk` is the present one; `nowMs` ends the line. */
export function RiskCurve({ id, risk, nowMs }) {
  const history = useLoaded(() => api.riskHistory(id), [id, risk?.as_of]);
  return html`<section class="card"><h2>${t("customer.curve")}</h2><p class="hint">${t("customer.curve.hint")}</p>
    ${history.problem && !history.data ? html`<${Failed} problem=${history.problem} retry=${history.reload} />`
      : !history.data ? html`<${Waiting} />`
      : history.data.items.length ? html`<${Curve} items=${history.data.items} risk=${risk} nowMs=${nowMs} />`
      : html`<p class="hint">${t("customer.curve.none")}</p>`}
  </section>`;
}

function Curve({ items, risk, nowMs }) {
  const points = items.map(({ day, p_leave: p }) => [Date.parse(day), p]);
  const [firstAt] = points[0];
  const [, last] = points.at(-1);
  const low = Math.min(firstAt, nowMs - SHORTEST_DAYS * DAY_MS);
  const present = risk?.p_churn ?? last;
  const highest = points.reduce((best, point) => (point[1] > best[1] ? point : best));
  const ticks = Array.from({ length: N_TICKS }, (_, index) => low + (index / (N_TICKS - 1)) * (nowMs - low));
  const summary = t("customer.curve.summary", { now: chance(present), high: chance(highest[1]), when: utcDate(highest[0]), since: utcDate(firstAt) });
  return html`<${Chart} label=${summary} height=${170}
      x=${{ low, high: nowMs, ticks: ticks.map((at) => [at, nowMs - low > 300 * DAY_MS ? utcMonth(at) : utcDate(at)]) }}
      y=${{ low: 0, high: 1, ticks: LEVELS.map((level) => [level, percent(level)]) }}
      lines=${[{ points: [...points, [nowMs, present]], isStep: true }]}
      dots=${points.map(([at, p]) => ({ x: at, y: p, r: 2, title: `${utcDate(at)}: ${chance(p)}` }))} />
    <p class="chart-words">${summary}</p>`;
}
