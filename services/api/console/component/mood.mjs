// Weekly mood of a customer's texts: bars up for positive, down for negative, as wide as the space allows.
import { monthYear, shortDate, t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { score } from "./risk.mjs";
import { useWidth } from "./rhythm.mjs";

const HEIGHT = 120;
const MIDDLE = 52;
const REACH = 44;
const WEEK_MS = 7 * 86_400_000;
const MOST_WEEKS = 53;
const LABEL_WIDTH = 64;

/** `weeks` are `{week_start, n, n_negative, mean_score}`. */
export function MoodChart({ weeks }) {
  const [box, width] = useWidth();
  const newest = weeks.map((week) => ({ ...week, at: Date.parse(week.week_start) })).sort((a, b) => a.at - b.at).slice(-MOST_WEEKS);
  const start = newest[0].at;
  const n_slots = Math.max(8, Math.round((newest.at(-1).at - start) / WEEK_MS) + 1);
  const slot = width / n_slots;
  const bar = Math.min(18, Math.max(3, slot * 0.62));
  const label = (week) => t("customer.mood.week", { date: shortDate(week.at), score: score(week.mean_score), n: week.n, negative: week.n_negative });
  let labelled = -Infinity;
  return html`<div ref=${box} class="mood-chart">
    <svg width=${width} height=${HEIGHT} viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${t("customer.mood.hint")}>
      <line class="axis" x1="0" x2=${width} y1=${MIDDLE} y2=${MIDDLE} />
      ${newest.map((week) => {
        const x = ((week.at - start) / WEEK_MS + 0.5) * slot;
        const height = Math.max(2, Math.abs(week.mean_score) * REACH);
        const isLabelled = x - labelled > LABEL_WIDTH;
        if (isLabelled) labelled = x;
        return html`<g key=${week.at}>
          <rect class=${week.mean_score < -0.1 ? "bad" : week.mean_score > 0.1 ? "good" : "even"} x=${x - bar / 2} width=${bar} rx="2"
            y=${week.mean_score >= 0 ? MIDDLE - height : MIDDLE} height=${height}><title>${label(week)}</title></rect>
          ${isLabelled && html`<text x=${Math.max(22, Math.min(width - 22, x))} y=${HEIGHT - 4} text-anchor="middle">${n_slots > 30 ? monthYear(week.at) : shortDate(week.at)}</text>`}
        </g>`;
      })}
    </svg>
    <ul class="sr">${newest.map((week) => html`<li key=${week.at}>${label(week)}</li>`)}</ul>
  </div>`;
}
