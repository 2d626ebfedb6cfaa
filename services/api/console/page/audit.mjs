// Every change anybody made, newest first.
import { Empty, Failed, More, Waiting } from "../component/empty.mjs";
import { When } from "../component/when.mjs";
import { api } from "../lib/api.mjs";
import { usePages } from "../lib/load.mjs";
import { link } from "../lib/route.mjs";
import { dateTime, list, number, t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

export function AuditPage() {
  const pages = usePages((cursor) => api.audit({ cursor, limit: 50 }), []);
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.audit")}</h1></header>
    <p class="lead">${t("audit.lead")}</p>
    ${pages.problem ? html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`
      : pages.items.length ? html`<${Table} items=${pages.items} />`
      : pages.isLoading ? html`<${Waiting} />`
      : html`<${Empty} icon="audit" title=${t("audit.empty")} hint=${t("audit.empty.hint")} />`}
    <${More} pages=${pages} />
  </section>`;
}

// Whose words a member's values are, where they are names and not a person's own text.
const FAMILIES = {
  severities: "severity", except_severities: "severity", tiers: "tier", causes: "cause", channel: "channel", channels: "channel", resolution: "resolution", role: "role",
  kind: "endpoint", risk_states: "risk_state", label: "sentiment", aspects: "aspect", provider: "provider", decision: "decision",
  unless: "policies.unless", event_types: "event", changed: "detail",
};

/** Returns `{note: "on it", tiers: ["gold"]}` as "note: on it · tiers: Gold"; what is empty is left out. */
function details(detail, between = " · ") {
  return Object.entries(detail ?? {})
    .map(([name, value]) => [name, valueText(name, value)])
    .filter(([, text]) => text !== "")
    .map(([name, text]) => t("audit.pair", { name: term("detail", name), value: text }))
    .join(between);
}

function valueText(name, value) {
  if (value == null) return "";
  if (Array.isArray(value)) return list(value.map((one) => valueText(name, one)));
  if (value.start && value.end) return t("audit.span", value);
  if (typeof value === "object") return details(value, ", ");
  if (typeof value === "boolean") return t(value ? "audit.true" : "audit.false");
  if (typeof value === "number") return number(value);
  if (name === "until") return dateTime(value);
  return Object.hasOwn(FAMILIES, name) ? term(FAMILIES[name], value) : value;
}

function Target({ entry }) {
  const { target_type: type, target_id: id, target_name: name } = entry;
  const text = html`${term("target", type)} ${name && html`<b dir="auto">${name}</b> `}<span class="mono" dir="auto">${id}</span>`;
  if (type === "alert") return html`<a href=${link("alerts", id)}>${text}</a>`;
  if (type === "customer" && id !== "*") return html`<a href=${link("customers", id)}>${text}</a>`;
  return text;
}

function Table({ items }) {
  return html`<div class="table-box"><table class="data log">
    <caption class="sr">${t("audit.caption")}</caption>
    <thead><tr><th scope="col">${t("audit.when")}</th><th scope="col">${t("audit.who")}</th><th scope="col">${t("audit.what")}</th><th scope="col">${t("audit.target")}</th><th scope="col">${t("audit.detail")}</th></tr></thead>
    <tbody>${items.map((entry) => html`<tr key=${entry.id}>
      <td class="nowrap"><${When} at=${entry.at} /></td>
      <td dir="auto"><b title=${entry.actor}>${entry.actor.replace(/ \(key_\w+\)$/, "")}</b></td>
      <td title=${entry.action}>${term("action_done", entry.action.split(".").at(-1))}</td>
      <td><${Target} entry=${entry} /></td>
      <td class="small" dir="auto">${details(entry.detail)}</td>
    </tr>`)}</tbody></table></div>`;
}
