// What a list of customers asks, as a segment keeps it, and the same in the address.
const LISTS = { tiers: "tier", risk_states: "state" };
const NUMBERS = {
  min_p_churn: "risk",
  min_expected_loss: "loss",
  min_purchases: "bought",
  no_purchase_for_days: "no_purchase",
  silent_for_days: "silent",
};
export const TIERS = ["platinum", "gold", "silver", "bronze", "new"];
export const RISK_STATES = ["at_risk", "active", "lost", "unscored"];
const ALLOWED = { tiers: TIERS, risk_states: RISK_STATES };

/** Returns the filter that an address's query asks for; what it holds besides is left out. */
export function filterOf(query) {
  const filter = {};
  for (const [name, key] of Object.entries(LISTS)) {
    const values = (query.get(key) ?? "").split(",").filter((value) => ALLOWED[name].includes(value));
    if (values.length) filter[name] = values;
  }
  for (const [name, key] of Object.entries(NUMBERS)) {
    const value = Number(query.get(key));
    if (value > 0 && (name !== "min_p_churn" || value <= 1)) filter[name] = value;
  }
  return filter;
}

/** Returns every member of the query that a filter sets; empty ones stand for what it does not ask. */
export function queryOf(filter) {
  const members = [...Object.entries(LISTS), ...Object.entries(NUMBERS)];
  return Object.fromEntries(members.map(([name, key]) => [key, String(filter[name] ?? "")]));
}

/** Returns the filter as the API's own parameters. */
export function parametersOf(filter) {
  const { tiers: tier, risk_states: risk_state, ...numbers } = filter;
  return { tier, risk_state, ...numbers };
}
