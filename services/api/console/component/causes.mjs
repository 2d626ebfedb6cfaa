// Why customers were about to leave, period by period, and how it ended.
import { api } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { link } from "../lib/route.mjs";
import { utcMonth, number, percent, utcDate, t, term } from "../lib/text.mjs";
import { html, useLayoutEffect, useRef, useState } from "../lib/view.mjs";
import { Empty, Failed, Waiting } from "./empty.mjs";

const N_PERIODS = 12;
const N_DAYS = { week: 7, month: 31 };
const DAY_MS = 86_400_000;
const SHADES = 4;

export function Causes() {
  const [by, setBy] = useState("week");
  const loaded = useLoaded(() => api.causes({ by, from: new Date(Date.now() - N_PERIODS * N_DAYS[by] * DAY_MS).toISOString() }), [by]);
  return html`<div class="card-head"><p class="lead">${t("causes.lead")}</p><span class="spacer" />
      <div class="segments small" role="group" aria-label=${t("causes.by")}>${["week", "month"].map((one) => html`<button type="button" key=${one}
        aria-pressed=${by === one} onClick=${() => setBy(one)}>${t(`causes.by.${one}`)}</button>`)}</div></div>
    ${loaded.problem ? html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`
      : !loaded.data ? html`<${Waiting} />`
      : !loaded.data.items.length ? html`<${Empty} icon="insights" title=${t("causes.empty")} hint=${t("causes.empty.hint")} />`
      : html`<${Table} periods=${loaded.data.items.slice(-N_PERIODS)} by=${loaded.data.by} zone=${loaded.data.time_zone} />`}`;
}

function Table({ periods, by, zone }) {
  const totals = new Map();
  for (const { causes } of periods) {
    for (const one of causes) {
      const total = totals.get(one.cause) ?? { cause: one.cause, n_alerts: 0, n_saved: 0, n_returned: 0, n_lost: 0 };
      for (const name of ["n_alerts", "n_saved", "n_returned", "n_lost"]) total[name] += one[name];
      totals.set(one.cause, total);
    }
  }
  // On a narrow screen the newest periods and the totals are what is looked for.
  const box = useRef(null);
  useLayoutEffect(() => {
    box.current.scrollLeft = box.current.scrollWidth;
  }, [by]);
  const rows = [...totals.values()].sort((a, b) => b.n_alerts - a.n_alerts);
  const all = rows.reduce((sum, { n_alerts: n }) => sum + n, 0);
  const most = Math.max(...periods.flatMap(({ causes }) => causes.map(({ n_alerts: n }) => n)), 1);
  const countOf = (period, cause) => period.causes.find((one) => one.cause === cause)?.n_alerts ?? 0;
  const name = ({ period_start: start }) => (by === "month" ? utcMonth(start) : utcDate(start));
  return html`<div class="table-box" tabindex="0" role="region" aria-label=${t("causes.caption")} ref=${box}><table class="data heat">
    <caption class="sr">${t("causes.caption")}</caption>
    <thead><tr><th scope="col">${t("alerts.head.cause")}</th>${periods.map((period) => html`<th scope="col" class="right" key=${period.period_start}>${name(period)}</th>`)}
      <th scope="col" class="right">${t("causes.total")}</th><th scope="col" class="right">${t("causes.share")}</th><th scope="col" class="right">${t("causes.kept")}</th><th scope="col" class="right">${t("causes.lost")}</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.cause}>
      <th scope="row"><a href=${link("alerts", null, { show: "all", cause: row.cause })}>${term("cause", row.cause)}</a></th>
      ${periods.map((period) => {
        const n = countOf(period, row.cause);
        return html`<td key=${period.period_start} class=${`right shade-${n ? Math.ceil((SHADES * n) / most) : 0}`}>${n ? number(n) : ""}</td>`;
      })}
      <td class="right"><b>${number(row.n_alerts)}</b></td><td class="right">${percent(row.n_alerts / all)}</td>
      <td class="right">${number(row.n_saved + row.n_returned)}</td><td class="right">${number(row.n_lost)}</td>
    </tr>`)}</tbody></table></div>
    <p class="hint below">${t("causes.note", { zone })}</p>`;
}
