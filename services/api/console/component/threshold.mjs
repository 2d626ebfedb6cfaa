// What another threshold would have meant: alerts and customers over the last days, as far as recorded risk can tell.
import { api } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { route, setQuery } from "../lib/route.mjs";
import { number, percent, t } from "../lib/text.mjs";
import { html, useRef, useState } from "../lib/view.mjs";
import { Chart, roundTicks } from "./chart.mjs";
import { Choice } from "./filters.mjs";
import { Failed, Waiting } from "./empty.mjs";
import { Fact } from "./risk.mjs";

const STEPS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const SPANS = ["7", "30", "90"];
const PAUSE_MS = 200;
const LEVELS = [0, 0.25, 0.5, 0.75, 1];

export function Threshold() {
  const { query } = route.value;
  const days = SPANS.includes(query.get("days")) ? query.get("days") : "30";
  const asked = Number(query.get("threshold"));
  const threshold = asked > 0 && asked < 1 ? asked : 0.5;
  const [shown, setShown] = useState(threshold);
  const timer = useRef(null);
  const move = (event) => {
    const value = Number(event.target.value) / 100;
    setShown(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ threshold: String(value) }), PAUSE_MS);
  };
  const preview = useLoaded(() => api.thresholdPreview({ threshold, days }), [threshold, days]);
  const curve = useLoaded(() => Promise.all(STEPS.map((step) => api.thresholdPreview({ threshold: step, days }))), [days]);
  const problem = preview.problem ?? curve.problem;
  return html`<p class="lead">${t("threshold.lead")}</p>
    <section class="card">
      <div class="setting"><label for="threshold">${t("threshold.label")} <b>${percent(shown)}</b></label>
        <${Choice} label=${t("threshold.days")} value=${days} onChange=${(value) => setQuery({ days: value === "30" ? "" : value })}
          options=${SPANS.map((one) => [one, t("threshold.span", { n: Number(one) })])} /></div>
      <input id="threshold" class="slider" type="range" min="5" max="95" step="1" value=${Math.round(shown * 100)} onInput=${move} />
      ${problem ? html`<${Failed} problem=${problem} retry=${() => (preview.reload(), curve.reload())} />` : !preview.data ? html`<${Waiting} />`
        : html`<p class="why" role="status">${t("threshold.says", { n: preview.data.n_alerts_estimated, threshold: percent(preview.data.threshold), days: preview.data.days })}</p>
        <dl class="facts across">
          <${Fact} label=${t("threshold.estimated")} value=${number(preview.data.n_alerts_estimated)} note=${t("threshold.weekly", { n: number((7 * preview.data.n_alerts_estimated) / preview.data.days, { maximumFractionDigits: 1 }) })} />
          <${Fact} label=${t("threshold.above")} value=${number(preview.data.n_customers_above)} />
          <${Fact} label=${t("threshold.raised")} value=${number(preview.data.n_alerts_raised)} />
        </dl>`}
    </section>
    ${curve.data && html`<section class="card below"><h2>${t("threshold.curve")}</h2><${Curve} points=${curve.data} threshold=${shown} /></section>`}
    <p class="hint below">${t("threshold.note")}</p>`;
}

function Curve({ points, threshold }) {
  const ticks = roundTicks(Math.max(...points.map(({ n_alerts_estimated: n }) => n), 1));
  return html`<${Chart} label=${t("threshold.curve")} height=${200}
    x=${{ low: 0, high: 1, ticks: LEVELS.map((level) => [level, percent(level)]) }}
    y=${{ low: 0, high: ticks.at(-1), ticks: ticks.map((tick) => [tick, number(tick)]) }}
    lines=${[{ points: points.map((one) => [one.threshold, one.n_alerts_estimated]) }]}
    dots=${points.map((one) => ({ x: one.threshold, y: one.n_alerts_estimated, title: t("threshold.says", { n: one.n_alerts_estimated, threshold: percent(one.threshold), days: one.days }) }))}
    marks=${[{ x: threshold, text: percent(threshold) }]} />`;
}
