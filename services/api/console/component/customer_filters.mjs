// The filters of the list of customers: what may be asked here is what a segment may keep.
import { RISK_STATES, TIERS } from "../lib/customer_filter.mjs";
import { days, list, money, percent, t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Choice } from "./filters.mjs";

// What is offered; a segment made elsewhere may ask for any other number, which is then offered, too.
const OFFERED = {
  min_p_churn: [0.3, 0.5, 0.7, 0.9],
  min_expected_loss: [50, 100, 500, 1_000],
  min_purchases: [2, 3, 5, 10],
  no_purchase_for_days: [30, 60, 90, 180, 365],
  silent_for_days: [30, 60, 90, 180, 365],
};
const SAID = {
  min_p_churn: (value) => percent(value),
  min_expected_loss: (value) => money(value),
  min_purchases: (value) => money(value, null, 0),
  no_purchase_for_days: days,
  silent_for_days: days,
};

const says = (name, value) => t(`segments.says.${name}`, { value: SAID[name](value), n: value });

/** Returns a filter in words. */
export function described(filter) {
  const parts = [
    filter.tiers && list(filter.tiers.map((one) => term("tier", one))),
    filter.risk_states && list(filter.risk_states.map((one) => term("risk_state", one))),
    ...Object.keys(OFFERED).map((name) => filter[name] != null && says(name, filter[name])),
  ].filter(Boolean);
  return parts.length ? parts.join(" · ") : t("segments.everybody");
}

export function CustomerFilters({ filter, onChange }) {
  const toggle = (name, value) => {
    const values = filter[name] ?? [];
    const next = values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
    onChange({ ...filter, [name]: next.length ? next : undefined });
  };
  const group = (name, values, stem, label) => html`<div class="segments multi wrapping" role="group" aria-label=${label}>
    ${values.map((one) => html`<button type="button" key=${one} aria-pressed=${(filter[name] ?? []).includes(one)} onClick=${() => toggle(name, one)}>${term(stem, one)}</button>`)}</div>`;
  return html`${group("risk_states", RISK_STATES, "risk_state", t("customers.head.state"))}
    ${group("tiers", TIERS, "tier", t("alerts.filter.tier"))}
    ${Object.entries(OFFERED).map(([name, offered]) => {
      const value = filter[name];
      const numbers = value == null || offered.includes(value) ? offered : [...offered, value].sort((a, b) => a - b);
      return html`<${Choice} key=${name} label=${t(`segments.${name}`)} value=${String(value ?? "")}
        onChange=${(chosen) => onChange({ ...filter, [name]: chosen === "" ? undefined : Number(chosen) })}
        options=${[["", t("alerts.filter.any")], ...numbers.map((one) => [String(one), says(name, one)])]} />`;
    })}`;
}
