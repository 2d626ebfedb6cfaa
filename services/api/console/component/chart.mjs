// Lines and bars over two axes, as wide as the space allows. What is drawn is told in words beside or below it.
import { html } from "../lib/view.mjs";
import { useWidth } from "./rhythm.mjs";

export const LEFT = 44;
export const RIGHT = 12;
const TOP = 10;
const BOTTOM = 24;
const TICK_ROOM = 56;

/**
 * `x` and `y` are `{low, high, ticks: [[value, text]], label}`; `lines` are `{points: [[x, y]], kind, isStep, isDotted}`;
 * `bars` are `{from, to, y, title, kind}`; `marks` are `{x, text}`; `dots` are `{x, y, r, title}`.
 */
export function Chart({ label, x, y, lines = [], bars = [], dots = [], marks = [], height = 180 }) {
  const [box, width] = useWidth();
  const right = width - RIGHT;
  const bottom = height - BOTTOM;
  const atX = (value) => LEFT + share(value, x) * (right - LEFT);
  const atY = (value) => bottom - share(value, y) * (bottom - TOP);
  const every = Math.max(1, Math.ceil((x.ticks.length * TICK_ROOM) / (right - LEFT)));
  return html`<div ref=${box} class="chart">
    <svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${label}>
      ${y.ticks.map(([value, text]) => html`<g key=${value}><line class="grid" x1=${LEFT} x2=${right} y1=${atY(value)} y2=${atY(value)} />
        <text x=${LEFT - 6} y=${atY(value) + 4} text-anchor="end">${text}</text></g>`)}
      ${x.ticks.map(([value, text], index) => index % every === 0 && html`<text key=${value} x=${Math.min(atX(value), width)} y=${height - 6} text-anchor=${width - atX(value) < TICK_ROOM / 2 ? "end" : "middle"}>${text}</text>`)}
      ${bars.map(({ from, to, y: top, title, kind = "main" }, index) => html`<rect key=${index} class=${`bar-mark ${kind}`} x=${atX(from) + 0.5} width=${Math.max(1, atX(to) - atX(from) - 1)}
        y=${atY(top)} height=${Math.max(0, bottom - atY(top))}><title>${title}</title></rect>`)}
      ${marks.map(({ x: value, text }) => html`<g class="mark" key=${text}><line x1=${atX(value)} x2=${atX(value)} y1=${TOP} y2=${bottom} /><text x=${Math.min(atX(value) + 4, right - 40)} y=${TOP + 9}>${text}</text></g>`)}
      ${lines.map(({ points, kind = "main", isStep = false }, index) => html`<path key=${index} class=${`line ${kind}`} d=${path(points, atX, atY, isStep)} />`)}
      ${dots.map(({ x: across, y: up, r = 3, title }, index) => html`<circle key=${index} class="dot-mark" cx=${atX(across)} cy=${atY(up)} r=${r}><title>${title}</title></circle>`)}
    </svg>
  </div>`;
}

const share = (value, { low, high }) => Math.max(0, Math.min(1, (value - low) / (high - low || 1)));

function path(points, atX, atY, isStep) {
  return points.map(([x, y], index) => {
    if (!index) return `M${atX(x).toFixed(1)} ${atY(y).toFixed(1)}`;
    return isStep ? `H${atX(x).toFixed(1)}V${atY(y).toFixed(1)}` : `L${atX(x).toFixed(1)} ${atY(y).toFixed(1)}`;
  }).join("");
}

/** Returns about four round values from 0 to at least `most`. */
export function roundTicks(most) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  const step = [0.25, 0.5, 1, 2, 2.5, 5].map((factor) => factor * unit).find((one) => one >= 1 && most / one <= 4.5) ?? unit * 10;
  const ticks = [];
  for (let value = 0; ; value += step) {
    ticks.push(value);
    if (value >= most) return ticks;
  }
}
