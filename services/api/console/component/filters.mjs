// The filters of the alert list, kept in the address so that a view can be shared.
import { ACTIVE, SEVERITIES, STATUSES } from "../lib/alerts.mjs";
import { session } from "../lib/api.mjs";
import { setQuery } from "../lib/route.mjs";
import { t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Meter } from "./badge.mjs";
import { Icon } from "./icon.mjs";

const CAUSES = ["price", "quality", "function", "logistics", "after_sales", "attitude", "waiting", "billing", "competitor", "unknown"];
const TIERS = ["platinum", "gold", "silver", "bronze", "new"];
const SCOPES = { active: ACTIVE, closed: ["resolved", "expired"], all: STATUSES };

/** Returns the view an address asks for. */
export function viewOf(query) {
  const list = (name, allowed) => (query.get(name) ?? "").split(",").filter((value) => allowed.includes(value));
  const show = SCOPES[query.get("show")] ? query.get("show") : "active";
  const assignee = query.get("who") ?? "";
  const view = {
    show,
    statuses: SCOPES[show],
    severities: list("severity", SEVERITIES),
    causes: list("cause", CAUSES),
    tiers: list("tier", TIERS),
    assignee: assignee === "me" ? session.value?.name : assignee,
    who: assignee,
    words: query.get("q") ?? "",
    order: query.get("order") ?? "newest",
  };
  view.isFiltered = Boolean(show !== "active" || view.severities.length || view.causes.length || view.tiers.length || assignee || view.words);
  return view;
}

export function Filters({ view, searchRef, isOpen }) {
  const toggle = (name, values, value) => {
    const next = values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
    setQuery({ [name]: next.join() });
  };
  return html`<div class=${`filters ${isOpen ? "open" : ""}`} role="search">
    <label class="find"><${Icon} name="search" size=${15} /><span class="sr">${t("alerts.search")}</span>
      <input ref=${searchRef} type="search" placeholder=${t("alerts.search")} value=${view.words}
        onInput=${(event) => setQuery({ q: event.target.value })}
        onKeyDown=${(event) => event.key === "Escape" && (setQuery({ q: "" }), event.target.blur())} /></label>
    <div class="segments" role="group" aria-label=${t("alerts.filter.status")}>
      ${Object.keys(SCOPES).map((one) => html`<button type="button" key=${one} aria-pressed=${view.show === one}
          onClick=${() => setQuery({ show: one === "active" ? "" : one })}>${t(`alerts.filter.${one}`)}</button>`)}
    </div>
    <div class="segments multi" role="group" aria-label=${t("alerts.filter.severity")}>
      ${SEVERITIES.map((one) => html`<button type="button" key=${one} class=${one} aria-pressed=${view.severities.includes(one)}
          onClick=${() => toggle("severity", view.severities, one)}><${Meter} severity=${one} />${term("severity", one)}</button>`)}
    </div>
    <${Choice} label=${t("alerts.filter.cause")} value=${view.causes[0] ?? ""} onChange=${(value) => setQuery({ cause: value })}
      options=${[["", t("alerts.filter.any")], ...CAUSES.map((one) => [one, term("cause", one)])]} />
    <${Choice} label=${t("alerts.filter.tier")} value=${view.tiers[0] ?? ""} onChange=${(value) => setQuery({ tier: value })}
      options=${[["", t("alerts.filter.any")], ...TIERS.map((one) => [one, term("tier", one)])]} />
    <${Choice} label=${t("alerts.filter.assignee")} value=${view.who} onChange=${(value) => setQuery({ who: value })}
      options=${[["", t("alerts.filter.anyone")], ["me", t("alerts.filter.me")], ["none", t("alerts.filter.nobody")]]} />
    <${Choice} label=${t("alerts.order")} value=${view.order} onChange=${(value) => setQuery({ order: value === "newest" ? "" : value })}
      options=${["newest", "loss", "severity"].map((one) => [one, t(`alerts.order.${one}`)])} />
  </div>`;
}

export function Choice({ label, value, options, onChange }) {
  return html`<label class="choice-field"><span class="sr">${label}</span>
    <select value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${key === "" ? t("alerts.filter.of", { label, text }) : text}</option>`)}
    </select></label>`;
}
