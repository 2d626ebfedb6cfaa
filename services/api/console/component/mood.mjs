// Weekly mood of a customer's texts: bars up for positive, down for negative, over the same weeks as the messages below.
import { t, utcDate } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { LEFT, RIGHT } from "./chart.mjs";
import { score } from "./risk.mjs";
import { useWidth } from "./rhythm.mjs";
import { WEEK_MS, weekWindow } from "./volume.mjs";

const HEIGHT = 104;
const MIDDLE = 52;
const REACH = 44;
const WIDEST_BAR = 18;

/** `weeks` are `{week_start, n, n_negative, mean_score}`. */
export function MoodChart({ weeks, nowMs }) {
  const [box, width] = useWidth();
  const { shown, low, end } = weekWindow(weeks, nowMs);
  const slot = ((width - LEFT - RIGHT) * WEEK_MS) / (end - low);
  const bar = Math.min(WIDEST_BAR, Math.max(3, slot * 0.62));
  const label = (week) => t("customer.mood.week", { date: utcDate(week.at), score: score(week.mean_score), n: week.n, negative: week.n_negative });
  return html`<div ref=${box} class="mood-chart">
    <svg width=${width} height=${HEIGHT} viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${t("customer.mood.hint")}>
      <line class="axis" x1=${LEFT} x2=${width - RIGHT} y1=${MIDDLE} y2=${MIDDLE} />
      ${[1, 0, -1].map((level) => html`<text key=${level} x=${LEFT - 6} y=${MIDDLE - level * REACH + 4} text-anchor="end">${score(level)}</text>`)}
      ${shown.map((week) => {
        const x = LEFT + ((week.at - low) / WEEK_MS + 0.5) * slot;
        const height = Math.max(2, Math.abs(week.mean_score) * REACH);
        return html`<rect key=${week.at} class=${week.mean_score < -0.1 ? "bad" : week.mean_score > 0.1 ? "good" : "even"} x=${x - bar / 2} width=${bar} rx="2"
            y=${week.mean_score >= 0 ? MIDDLE - height : MIDDLE} height=${height}><title>${label(week)}</title></rect>`;
      })}
    </svg>
    <ul class="sr">${shown.map((week) => html`<li key=${week.at}>${label(week)}</li>`)}</ul>
  </div>`;
}
