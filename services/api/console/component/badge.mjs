// Small marks: severity, status, tier, mood. Colour never speaks alone, the word is always there.
import { t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

const BARS = { critical: 4, high: 3, medium: 2, low: 1 };

/** Four bars like a signal meter, so that severity is seen by shape as well as by colour. */
export function Meter({ severity }) {
  return html`<svg class=${`meter ${severity}`} width="18" height="16" viewBox="0 0 18 16" aria-hidden="true">
    ${[0, 1, 2, 3].map((bar) => html`<rect
      x=${bar * 4.5 + 0.5} y=${11 - bar * 3} width="3" height=${4 + bar * 3} rx="1"
      class=${bar < (BARS[severity] ?? 0) ? "on" : "off"} />`)}
  </svg>`;
}

export const Severity = ({ severity }) => html`<span class=${`badge severity ${severity}`}>
  <${Meter} severity=${severity} />${term("severity", severity)}
</span>`;

export const Status = ({ status }) => html`<span class=${`badge status ${status}`}><i class="dot" />${term("status", status)}</span>`;

export const Tier = ({ tier }) => tier && html`<span class=${`tier ${tier}`}>${term("tier", tier)}</span>`;

export const Mood = ({ label }) => label && html`<span class=${`badge mood ${label}`}>${term("sentiment", label)}</span>`;

export const RiskState = ({ state }) => html`<span class=${`badge state ${state}`}>${term("risk_state", state)}</span>`;

/** Of an alert or a customer that is left without action on purpose; null or false where it is not, or may not be known. */
export const HeldOut = ({ of }) => of.is_held_out && html`<span class="badge held" title=${t("alert.heldout.hint")}>${t("alert.heldout")}</span>`;

/** An alert about the customer is open; how likely they are to leave is said by their state. */
export const AlertOpen = () => html`<span class="badge alert-open"><i class="dot" />${t("customer.alertopen")}</span>`;

export const Chip = ({ children }) => html`<span class="chip">${children}</span>`;

export const Demo = () => html`<span class="badge demo" title=${t("app.demo.title")}>${t("app.demo")}</span>`;
