// How many customers were kept: from one period to the next, by first purchase, and the time to the second purchase.
import { api } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { route, setQuery } from "../lib/route.mjs";
import { date, dateTime, number, percent, t, utcMonth } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Empty, Failed, Waiting } from "./empty.mjs";
import { Fact } from "./risk.mjs";

const PERIODS = { month: 12, quarter: 8, year: 5 };
const SHADES = 4;

export function RetentionView() {
  const asked = route.value.query.get("by");
  const by = PERIODS[asked] ? asked : "month";
  const loaded = useLoaded(() => api.retention({ by, periods: PERIODS[by] }), [by]);
  return html`<div class="card-head"><p class="lead">${t("retention.lead")}</p><span class="spacer" />
      <div class="segments small" role="group" aria-label=${t("retention.by")}>${Object.keys(PERIODS).map((one) => html`<button type="button" key=${one}
        aria-pressed=${by === one} onClick=${() => setQuery({ by: one === "month" ? "" : one })}>${t(`retention.by.${one}`)}</button>`)}</div></div>
    ${loaded.problem ? html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`
      : !loaded.data ? html`<${Waiting} />`
      : !loaded.data.history_since ? html`<${Empty} icon="insights" title=${t("retention.empty")} hint=${t("retention.empty.hint")} />`
      : html`<${Found} found=${loaded.data} />`}`;
}

function Found({ found }) {
  const { periods, repeat, second_purchase: second, horizon_days: days, by } = found;
  const present = periods.at(-1);
  return html`<section class="card retention">
      <p class="why" role="status">${told(found)}</p>
      <dl class="facts across below">
        <${Fact} label=${t("retention.repeat", { days })} value=${repeat.share ? percent(repeat.share.value, 1) : t("retention.few")}
          note=${[range(repeat.share), t("retention.repeat.note", { n: repeat.n, days, waiting: repeat.n_waiting })].filter(Boolean).join(" · ")} />
        <${Fact} label=${t("retention.median")} value=${second.median ? t("retention.median.days", { n: second.median.days }) : t("retention.median.none")}
          note=${medianNote(second)} />
        <${Fact} label=${t("retention.present", { period: named(present.period, by) })} value=${number(present.n_active)} note=${t("retention.present.note", { n: present.n_new })} />
        <${Fact} label=${t("retention.since")} value=${date(`${found.history_since}T12:00`)} note=${t("retention.since.note")} />
      </dl>
    </section>
    <${Periods} periods=${periods} by=${by} />
    <${Cohorts} found=${found} />
    ${second.within.length > 0 && html`<${Second} within=${second.within} />`}
    <p class="hint below">${t("retention.note", { zone: found.time_zone, at: dateTime(found.as_of) })}</p>`;
}

function told({ periods, by }) {
  const newest = periods.findLast(({ kept }) => kept);
  if (!newest) return t("retention.said.few");
  const previous = periods[periods.indexOf(newest) - 1]?.period ?? before(newest.period, by);
  return t("retention.said", {
    before: newest.n_before, previous: named(previous, by), kept: newest.n_kept, period: named(newest.period, by),
    share: percent(newest.kept.value, 1), low: percent(newest.kept.low, 1), high: percent(newest.kept.high, 1),
  });
}

function medianNote({ median, n, n_bought: bought }) {
  if (!median) return t("retention.median.none.note", { n, bought });
  return median.high === null ? t("retention.median.open", { low: median.low }) : t("retention.median.range", { low: median.low, high: median.high });
}

function Periods({ periods, by }) {
  const columns = [["active", "n_active"], ["new", "n_new"], ["kept", "n_kept"], ["back", "n_back"]];
  return html`<section class="card below" aria-label=${t("retention.periods")}><h2>${t("retention.periods")}</h2><table class="data compared">
    <thead><tr><th scope="col">${t("retention.period")}</th>${columns.map(([key]) => html`<th scope="col" class="right" key=${key}>${t(`retention.${key}`)}</th>`)}
      <th scope="col" class="right">${t("retention.share")}</th></tr></thead>
    <tbody>${[...periods].reverse().map((one) => html`<tr key=${one.period}><th scope="row">${named(one.period, by)}</th>
      ${columns.map(([key, member]) => html`<td class=${one.is_complete ? "right" : "right unsaid"} key=${key} data-label=${t(`retention.${key}`)}>${number(one[member])}</td>`)}
      <td class=${one.kept ? "right wide" : "right wide unsaid"} data-label=${t("retention.share")}>${one.kept ? t("outcome.range", { value: percent(one.kept.value, 1), low: percent(one.kept.low, 1), high: percent(one.kept.high, 1) })
        : t(one.is_complete ? "retention.few" : "retention.lasting")}</td></tr>`)}</tbody></table></section>`;
}

function Cohorts({ found }) {
  const { cohorts, by_age: together, by } = found;
  const ages = Array.from({ length: Math.max(0, ...cohorts.map((cohort) => cohort.ages.length)) }, (_, index) => index + 1);
  if (!ages.length) return null;
  const most = Math.max(0.01, ...cohorts.flatMap((cohort) => cohort.ages.map(({ active }) => active?.value ?? 0)));
  return html`<section class="card below"><h2>${t("retention.cohorts")}</h2><p class="hint">${t("retention.cohorts.hint")}</p>
    <div class="table-box" tabindex="0" role="region" aria-label=${t("retention.cohorts")}><table class="data heat">
    <thead><tr><th scope="col">${t("retention.cohort")}</th><th scope="col" class="right">${t("retention.customers")}</th>
      ${ages.map((age) => html`<th scope="col" class="right" key=${age}>${t("retention.later", { n: age })}</th>`)}</tr></thead>
    <tbody><tr class="all"><th scope="row">${t("retention.all")}</th><td />${ages.map((age) => html`<${Cell} key=${age} one=${together.find((one) => one.age === age)} most=${most} />`)}</tr>
      ${[...cohorts].reverse().map((cohort) => html`<tr key=${cohort.period}><th scope="row">${named(cohort.period, by)}</th>
        <td class=${cohort.is_complete ? "right" : "right unsaid"}>${number(cohort.n)}${cohort.is_complete ? "" : "…"}</td>
        ${ages.map((age) => html`<${Cell} key=${age} one=${cohort.ages[age - 1]} most=${most} />`)}</tr>`)}</tbody></table></div></section>`;
}

function Cell({ one, most }) {
  if (!one) return html`<td />`;
  const { active, n_active: n, n: all } = one;
  if (active) {
    const title = t("retention.cell", { n, all, share: percent(active.value, 1), low: percent(active.low, 1), high: percent(active.high, 1) });
    return html`<td class=${`right shade-${Math.ceil((SHADES * active.value) / most)}`} title=${title}>${percent(active.value, 1)}</td>`;
  }
  return one.is_complete ? html`<td class="right unsaid" title=${t("retention.cell.few", { n, all })}>${number(n)}</td>`
    : html`<td class="right unsaid" title=${t("retention.sofar", { n, all })}>${number(n)}…</td>`;
}

function Second({ within }) {
  return html`<section class="card below"><h2>${t("retention.second")}</h2><p class="hint">${t("retention.second.hint")}</p>
    <table class="plain second"><tbody>${within.map(({ days, bought }) => html`<tr key=${days}><th scope="row">${t("outcome.within", { n: days })}</th>
      <td class="right">${t("outcome.range", { value: percent(bought.value, 1), low: percent(bought.low, 1), high: percent(bought.high, 1) })}</td></tr>`)}</tbody></table></section>`;
}

const range = (share) => share && t("outcome.share", { low: percent(share.low, 1), high: percent(share.high, 1) });

function named(day, by) {
  const [year, month] = day.split("-").map(Number);
  if (by === "year") return String(year);
  return by === "quarter" ? `${year} Q${(month + 2) / 3}` : utcMonth(day);
}

function before(day, by) {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCMonth(at.getUTCMonth() - { month: 1, quarter: 3, year: 12 }[by]);
  return at.toISOString().slice(0, 10);
}
