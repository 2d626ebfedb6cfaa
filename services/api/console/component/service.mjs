// How customers were served: replies, tickets, surveys and complaints, together and by period, channel, agent and aspect.
import { api } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { route, setQuery } from "../lib/route.mjs";
import { dateTime, duration, number, percent, t, term, utcDate, utcMonth } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Empty, Failed, Waiting } from "./empty.mjs";
import { Choice } from "./filters.mjs";
import { Fact } from "./risk.mjs";

const PERIODS = { 7: "day", 28: "week", 90: "week", 365: "month" };
const USUAL = "28";

export function ServiceView() {
  const asked = route.value.query.get("days");
  const days = PERIODS[asked] ? asked : USUAL;
  const loaded = useLoaded(() => api.service({ days, by: PERIODS[days] }), [days]);
  return html`<div class="card-head"><p class="lead">${t("service.lead")}</p><span class="spacer" />
      <${Choice} label=${t("service.days")} value=${days} onChange=${(value) => setQuery({ days: value === USUAL ? "" : value })}
        options=${Object.keys(PERIODS).map((one) => [one, t("service.last", { n: Number(one) })])} /></div>
    ${loaded.problem ? html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`
      : !loaded.data ? html`<${Waiting} />`
      : isEmpty(loaded.data.whole) ? html`<${Empty} icon="insights" title=${t("service.empty")} hint=${t("service.empty.hint")} />`
      : html`<${Found} found=${loaded.data} />`}`;
}

function Found({ found }) {
  const { whole, by } = found;
  const period = by === "month" ? utcMonth : utcDate;
  // Few companies ask about effort or tell of consultations.
  const shown = FIGURES.filter(([, figure, isRare]) => !isRare || figure(whole).n);
  return html`<section class="card service"><dl class="facts across">
      <${Fact} label=${t("service.contacts")} value=${number(whole.n_contacts)}
        note=${whole.contacting.share ? t("service.contacting", { share: percent(whole.contacting.share.value, 1), n: whole.contacting.n }) : null} />
      ${shown.map(([key, figure]) => {
        const { value, note } = figure(whole);
        return html`<${Fact} key=${key} label=${t(`service.${key}`)} value=${value} note=${note} />`;
      })}
      <${Fact} label=${t("service.day")} value=${told(whole.first_reply.within_day, share)} note=${t("service.unanswered", { n: whole.first_reply.n - whole.first_reply.n_answered })} />
    </dl></section>
    <${Slices} title=${t("causes.by")} shown=${shown} rows=${[...found.by_period].reverse().map(({ period: start, is_complete: isComplete, figures }) => [start, isComplete ? period(start) : t("service.partly", { period: period(start) }), figures])} />
    <${Slices} title=${t("service.by_channel")} shown=${shown} rows=${found.by_channel.map(({ name, figures }) => [name, term("channel", name), figures])} />
    ${found.by_agent && html`<${Slices} title=${t("service.by_agent")} hint=${t("service.by_agent.hint")} shown=${shown} rows=${found.by_agent.map(({ name, figures }) => [name, name, figures])} />`}
    <${Slices} title=${t("service.by_aspect")} hint=${t("service.by_aspect.hint")} shown=${shown} rows=${found.by_aspect.map(({ name, figures }) => [name, term("aspect", name), figures])} />
    <p class="hint below">${t("service.note", { zone: found.time_zone, at: dateTime(found.as_of) })}</p>`;
}

function Slices({ title, hint, shown, rows }) {
  return rows.length > 0 && html`<section class="card below" aria-label=${title}><h2>${title}</h2>${hint && html`<p class="hint">${hint}</p>`}<table class="data compared served">
    <thead><tr><td /><th scope="col" class="right">${t("service.contacts")}</th>${shown.map(([key]) => html`<th scope="col" class="right" key=${key}>${t(`service.${key}`)}</th>`)}</tr></thead>
    <tbody>${rows.map(([key, name, figures]) => html`<tr key=${key}><th scope="row">${name}</th>
      <td class="right" data-label=${t("service.contacts")}>${number(figures.n_contacts)}</td>
      ${shown.map(([column, figure]) => {
        const { value, note, isTold } = figure(figures);
        return html`<td class=${isTold ? "right" : "right unsaid"} key=${column} data-label=${t(`service.${column}`)}>${value}${note && html`<small>${note}</small>`}</td>`;
      })}</tr>`)}</tbody></table></section>`;
}

const share = (value) => percent(value, 1);
const score = (value) => number(value, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const points = (value) => number(Math.round(value));
const FIGURES = [
  ["reply", ({ first_reply: one }) => timed(one, one.n_answered)],
  ["fcr", ({ first_contact_resolution: one }) => estimated(one.share, one.n, share)],
  ["resolution", ({ resolution: one }) => timed(one, one.n_resolved)],
  ["reopened", ({ reopened: one }) => estimated(one.share, one.n, share)],
  ["complaints", ({ complaints: one }) => estimated(one.share, one.n, share)],
  ["csat", ({ csat: one }) => estimated(one.share, one.n, share)],
  ["nps", ({ nps: one }) => estimated(one.score, one.n, points)],
  ["ces", ({ ces: one }) => estimated(one.mean, one.n, score), true],
  ["consulted", ({ consultations: one }) => estimated(one.share, one.n, share), true],
];

function timed({ median, n }, ended) {
  if (!median) return { value: n ? t(n >= 30 && 2 * ended < n ? "service.half" : "service.few", { n }) : t("outcome.nothing"), isTold: false };
  const [low, high] = [median.low, median.high].map((one) => (one === null ? "…" : duration(one)));
  return { value: duration(median.seconds), note: t("service.of", { low, high, n }), isTold: true };
}

function estimated(estimate, n, written) {
  if (!estimate) return { value: n ? t("service.few", { n }) : t("outcome.nothing"), isTold: false, n };
  return { value: written(estimate.value), note: t("service.of", { low: written(estimate.low), high: written(estimate.high), n }), isTold: true, n };
}

const told = (estimate, written) => (estimate ? t("outcome.range", { value: written(estimate.value), low: written(estimate.low), high: written(estimate.high) }) : t("retention.few"));
const isEmpty = ({ n_contacts: n, resolution, csat, nps, ces, consultations }) => n + resolution.n + csat.n + nps.n + ces.n + consultations.n === 0;
