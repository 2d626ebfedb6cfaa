// Contacts and complaints of the last 7, 30 and 90 days, and what the complaints are about.
import { days, duration, number, t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

const WINDOWS = ["d7", "d30", "d90"];
const N_DAYS = { d7: 7, d30: 30, d90: 90 };
const ROWS = ["inbound", "outbound", "complaints"];

export function EngagementTable({ engagement }) {
  return html`<table class="plain">
    <caption class="sr">${t("customer.engagement.caption")}</caption>
    <thead><tr><td />${WINDOWS.map((name) => html`<th scope="col" class="right" key=${name}>${t("customer.engagement.days", { n: N_DAYS[name] })}</th>`)}</tr></thead>
    <tbody>${ROWS.map((row) => html`<tr key=${row}><th scope="row">${t(`customer.engagement.${row}`)}</th>
      ${WINDOWS.map((name) => html`<td class=${`right ${row === "complaints" && engagement[row]?.[name] ? "bad" : ""}`} key=${name}>${number(engagement[row]?.[name] ?? 0)}</td>`)}</tr>`)}</tbody>
  </table>
  <dl class="inline-facts">
    ${engagement.median_response_s != null && html`<div><dt>${t("customer.engagement.response")}</dt><dd>${duration(engagement.median_response_s)}</dd></div>`}
    ${engagement.longest_silence_days > 0 && html`<div><dt>${t("customer.engagement.silence")}</dt><dd>${days(engagement.longest_silence_days)}</dd></div>`}
  </dl>`;
}

export function Aspects({ counts }) {
  const items = Object.entries(counts ?? {}).map(([aspect, { d90 = 0 }]) => [aspect, d90]).filter(([, n]) => n > 0);
  if (!items.length) return html`<p class="hint">${t("customer.aspects.none")}</p>`;
  items.sort((a, b) => b[1] - a[1]);
  const largest = items[0][1];
  return html`<ul class="bars">${items.map(([aspect, n]) => html`<li key=${aspect}>
    <div class="bar-label"><span>${term("aspect", aspect)}</span><b>${number(n)}</b></div>
    <svg class="bar" viewBox="0 0 200 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="200" height="8" /><rect class="value" width=${(200 * n) / largest} height="8" /></svg>
  </li>`)}</ul>`;
}
