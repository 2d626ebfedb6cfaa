// Contributions as bars around a middle line: right raises the risk, left lowers it. The number stands beside each.
import { number } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

/** `items` are `{key, label, value, note}`; all bars share one scale. */
export function Bars({ items, isSigned = false }) {
  const largest = Math.max(...items.map(({ value }) => Math.abs(value)), 1e-9);
  return html`<ul class=${`bars ${isSigned ? "signed" : ""}`}>
    ${items.map(({ key, label, value, note }) => html`<li key=${key}>
      <div class="bar-label"><span dir="auto">${label}</span><b>${number(value, { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: isSigned ? "exceptZero" : "negative" })}</b></div>
      <svg class=${value < 0 ? "bar less" : "bar"} viewBox="0 0 200 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" x="0" y="0" width="200" height="8" />
        ${isSigned
          ? html`<rect class="value" x=${value < 0 ? 100 - (100 * -value) / largest : 100} y="0" width=${(100 * Math.abs(value)) / largest} height="8" />
              <rect class="middle" x="99.6" y="0" width="0.8" height="8" />`
          : html`<rect class="value" x="0" y="0" width=${(200 * Math.abs(value)) / largest} height="8" />`}
      </svg>
      ${note && html`<small>${note}</small>`}
    </li>`)}
  </ul>`;
}
