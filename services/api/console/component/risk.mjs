// A customer's risk in figures and what moves it.
import { chance, date, days, localised, number, riskMoney, sentence, t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Bars } from "./bars.mjs";
import { When } from "./when.mjs";

export function Fact({ label, value, note }) {
  return html`<div class="fact"><dt>${label}</dt><dd>${value}${note && html`<small>${note}</small>`}</dd></div>`;
}

export function RiskFacts({ risk }) {
  return html`<${Fact} label=${t("alert.risk")} value=${html`<${Gauge} p=${risk.p_churn} />`} note=${t("alert.horizon", { days: days(risk.horizon_days) })} />
    ${risk.expected_loss != null && html`<${Fact} label=${t("alerts.head.loss")} value=${riskMoney(risk.expected_loss, risk)} />`}
    ${risk.residual_value != null && html`<${Fact} label=${t("alert.value")} value=${riskMoney(risk.residual_value, risk)} />`}
    ${risk.silence_days != null && html`<${Fact} label=${t("alert.silence")} value=${days(risk.silence_days)}
      note=${risk.usual_gap_days != null ? `${t("alert.usual")} ${days(risk.usual_gap_days)}` : null} />`}
    ${risk.expected_next_at && html`<${Fact} label=${t("alert.expected")} value=${date(risk.expected_next_at)} note=${html`<${When} at=${risk.expected_next_at} />`} />`}`;
}

/** A probability as a number over a bar, so that many can be compared by eye. */
export function Gauge({ p }) {
  return html`<span class="gauge"><b>${chance(p)}</b>
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="6" /><rect class=${p >= 0.66 ? "fill hot" : p >= 0.33 ? "fill warm" : "fill"} width=${Math.max(2, p * 100)} height="6" />
    </svg></span>`;
}

export function RiskReasons({ risk }) {
  const items = (risk.reasons ?? []).map((reason) => ({
    key: reason.group,
    label: sentence(localised(reason, "reason")),
    value: reason.contribution,
  }));
  if (!items.length) return null;
  items.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  return html`<section class="card"><h2>${t("risk.reasons")}</h2>
    <p class="hint">${t("risk.reasons.hint")}</p>
    <${Bars} items=${items} isSigned=${true} />
    <p class="hint">${t("risk.asof", { when: date(risk.as_of) })} ${risk.is_prior && t("alert.prior")}</p>
  </section>`;
}

export const score = (value) => number(value, { minimumFractionDigits: 1, maximumFractionDigits: 2, signDisplay: "exceptZero" });
