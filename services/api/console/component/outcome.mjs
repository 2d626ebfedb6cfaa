// Whether acting on alerts helped: the customers acted on beside those held out, what can be said, what is still needed.
import { api } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { route, setQuery } from "../lib/route.mjs";
import { number, percent, t, term, utcMonth } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Failed, Waiting } from "./empty.mjs";
import { Choice } from "./filters.mjs";
import { Fact } from "./risk.mjs";

const HORIZONS = ["30", "60", "90", "180"];
const USUAL = "90";
const DIMENSIONS = [
  ["by_month", utcMonth],
  ["by_tier", (name) => term("tier", name)],
  ["by_cause", (name) => term("cause", name)],
];
const HALF = 100;

export function OutcomeView() {
  const asked = route.value.query.get("horizon");
  const horizon = HORIZONS.includes(asked) ? asked : USUAL;
  const loaded = useLoaded(() => api.outcome({ horizon_days: horizon }), [horizon]);
  return html`<div class="card-head"><p class="lead">${t("outcome.lead")}</p><span class="spacer" />
      <${Choice} label=${t("outcome.horizon")} value=${horizon} onChange=${(value) => setQuery({ horizon: value === USUAL ? "" : value })}
        options=${HORIZONS.map((one) => [one, t("outcome.within", { n: Number(one) })])} /></div>
    ${loaded.problem ? html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`
      : !loaded.data ? html`<${Waiting} />` : html`<${Found} found=${loaded.data} />`}`;
}

function Found({ found }) {
  const { whole } = found;
  const { acted, held_out: held } = whole;
  return html`<section class="card outcome">
      <p class="why" role="status">${told(found)}</p>
      ${whole.difference && html`<${Whisker} difference=${whole.difference} scale=${reach(whole.difference)} />`}
      <dl class="facts across below">
        <${Fact} label=${t("outcome.acted")} value=${bought(acted)} note=${range(acted.share) ?? t("retention.few")} />
        <${Fact} label=${t("outcome.held")} value=${bought(held)} note=${range(held.share) ?? t("retention.few")} />
        <${Fact} label=${t("outcome.waiting")} value=${number(acted.n_waiting + held.n_waiting)} note=${t("outcome.waiting.note", { held: held.n_waiting })} />
        <${Fact} label=${t("outcome.worked")} value=${acted.n ? percent(acted.n_worked / acted.n, 1) : t("outcome.nothing")} note=${t("outcome.worked.note", { held: held.n_worked })} />
      </dl>
      ${!isDecided(whole) && found.n_more > 0 && html`<p class="hint below">${t("outcome.more", { n: found.n_more, points: number(100 * found.worth_seeing, { maximumFractionDigits: 1 }) })}</p>`}
      ${found.n_later_alerts > 0 && html`<p class="hint below">${t("outcome.later", { n: found.n_later_alerts })}</p>`}
    </section>
    ${acted.n + held.n > 0 && DIMENSIONS.map(([dimension, name]) => html`<${Slices} key=${dimension} title=${t(`outcome.${dimension}`)} slices=${found[dimension]} name=${name} />`)}
    <p class="hint below">${t("outcome.note", { zone: found.time_zone })}</p>`;
}

function told({ whole, horizon_days: days }) {
  const { verdict, difference } = whole;
  if (!difference) return t(`outcome.verdict.${verdict}`);
  const by = points(Math.abs(difference.value));
  return t(`outcome.verdict.${verdict}`, { by, low: points(difference.low), high: points(difference.high), days });
}

function Slices({ title, slices, name }) {
  const told = slices.filter(({ comparison: { acted, held_out: held } }) => acted.n + held.n > 0);
  const scale = Math.max(...told.map(({ comparison }) => (comparison.difference ? reach(comparison.difference) : 0)));
  return told.length > 0 && html`<section class="card below"><h2>${title}</h2><table class="data compared">
    <thead><tr><td /><th scope="col" class="right">${t("outcome.acted")}</th><th scope="col" class="right">${t("outcome.held")}</th><th scope="col" class="right">${t("outcome.difference")}</th></tr></thead>
    <tbody>${told.map(({ name: slice, comparison: { acted, held_out: held, difference } }) => html`<tr key=${slice}><th scope="row">${name(slice)}</th>
      <td class="right" data-label=${t("outcome.acted")}>${bought(acted)}</td><td class="right" data-label=${t("outcome.held")}>${bought(held)}</td>
      <td class="right" data-label=${t("outcome.difference")}>${difference ? html`<span>${t("outcome.range", { value: points(difference.value), low: points(difference.low), high: points(difference.high) })}</span><${Whisker} difference=${difference} scale=${scale} />` : t("retention.few")}</td></tr>`)}</tbody></table></section>`;
}

/** The interval around a middle line of no difference; its words stand beside it. */
function Whisker({ difference, scale }) {
  const at = (value) => HALF + (HALF * value) / scale;
  return html`<svg class="bar whisker" viewBox="0 0 200 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="200" height="8" />
    <rect class="value" x=${at(difference.low)} width=${at(difference.high) - at(difference.low)} y="2" height="4" />
    <rect class="middle" x="99.6" width="0.8" height="8" /></svg>`;
}

const isDecided = ({ verdict }) => verdict === "helped" || verdict === "harmed";
const reach = ({ low, high }) => Math.max(Math.abs(low), Math.abs(high), 0.01);
const points = (share) => number(100 * share, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const bought = ({ n, n_bought: hits, share }) => (share ? `${percent(share.value, 1)} · ${number(hits)}/${number(n)}` : `${number(hits)}/${number(n)}`);
const range = (share) => share && t("outcome.share", { low: percent(share.low, 1), high: percent(share.high, 1) });
