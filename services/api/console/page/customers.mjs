// Finding a customer by name, handle, id or words they wrote; without a search, those seen last, filtered or of a segment.
import { Demo, HeldOut, RiskState, Tier } from "../component/badge.mjs";
import { CustomerFilters } from "../component/customer_filters.mjs";
import { Empty, Failed, More, Waiting } from "../component/empty.mjs";
import { Icon } from "../component/icon.mjs";
import { Gauge } from "../component/risk.mjs";
import { SegmentBar } from "../component/segments.mjs";
import { When } from "../component/when.mjs";
import { api } from "../lib/api.mjs";
import { filterOf, parametersOf, queryOf } from "../lib/customer_filter.mjs";
import { useLoaded, usePages } from "../lib/load.mjs";
import { go, link, route, setQuery } from "../lib/route.mjs";
import { number, t } from "../lib/text.mjs";
import { html, useEffect, useRef, useState } from "../lib/view.mjs";

const TYPING_PAUSE_MS = 200;

export function CustomersPage() {
  const { query } = route.value;
  const words = query.get("q") ?? "";
  const [typed, setTyped] = useState(words);
  const [isOpenFilters, setOpenFilters] = useState(false);
  const timer = useRef(null);
  const type = (event) => {
    const value = event.target.value;
    setTyped(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ q: value.trim() }), TYPING_PAUSE_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  const segments = useLoaded(() => api.segments(), []);
  const [saved, setSaved] = useState(null);
  const items = segments.data?.items ?? [];
  // One that was just saved is there before the list of them has come again.
  const known = saved ? [...items.filter(({ id }) => id !== saved.id), saved].sort((a, b) => a.name.localeCompare(b.name)) : items;
  const segmentId = query.get("segment");
  const open = known.find(({ id }) => id === segmentId) ?? null;
  const filter = open?.filter ?? filterOf(query);
  const isAsking = Object.keys(filter).length > 0;
  const ask = (next) => setQuery({ ...queryOf(next), segment: "", base: open?.id ?? query.get("base") ?? "" });
  const asked = words ? { q: words } : segmentId ? { segment: segmentId } : parametersOf(filter);
  const pages = usePages((cursor) => api.customers({ ...asked, cursor, limit: 50 }), [JSON.stringify(asked)], words ? null : JSON.stringify(asked));
  // A segment that is gone, or a colleague's own: the list cannot be drawn, and why is said.
  const isUnknown = segmentId && segments.data && !open;
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.customers")}</h1><span class="spacer" />
      <button class="icon-button narrow-only" type="button" aria-expanded=${isOpenFilters} aria-label=${t("alerts.filters")}
        onClick=${() => setOpenFilters(!isOpenFilters)}><${Icon} name="filter" size=${18} /></button></header>
    <div class="filters open" role="search">
      <label class="find large"><${Icon} name="search" size=${16} /><span class="sr">${t("customers.search")}</span>
        <input type="search" placeholder=${t("customers.search")} value=${typed} onInput=${type} aria-describedby="search-hint" /></label>
      <span class="hint" id="search-hint" role="status">${words && !pages.isLoading ? t("customers.found", { n: pages.items.length }) : t("customers.search.hint")}</span>
    </div>
    ${!words && html`<div class=${`filters asking ${isOpenFilters ? "open" : ""}`}><${CustomerFilters} filter=${filter} onChange=${ask} /></div>
      <${SegmentBar} segments=${known} open=${open} base=${known.find(({ id }) => id === query.get("base"))} filter=${filter} isAsking=${isAsking}
        onSaved=${(segment) => (setSaved(segment), go(link("customers", null, { segment: segment.id })))}
        onRemoved=${() => (setSaved(null), go(link("customers")), segments.reload())} />`}
    ${isUnknown ? html`<${Empty} icon="filter" title=${t("segments.unknown")} hint=${t("segments.unknown.hint")}><a class="button" href=${link("customers")}>${t("segments.everybody.show")}</a></${Empty}>`
      : pages.problem ? html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`
      : pages.items.length ? html`<${Table} items=${pages.items} caption=${words ? t("customers.found", { n: pages.items.length }) : t("customers.recent")} />`
      : pages.isLoading ? html`<${Waiting} />`
      : words ? html`<${Empty} icon="search" title=${t("customers.nomatch", { words })} hint=${t("customers.nomatch.hint")} />`
      : isAsking ? html`<${Empty} icon="filter" title=${t("segments.nobody")} hint=${t("segments.nobody.hint")}><a class="button" href=${link("customers")}>${t("alerts.filter.clear")}</a></${Empty}>`
      : html`<${Empty} icon="customers" title=${t("customers.empty")} hint=${t("customers.empty.hint")} />`}
    ${!isUnknown && html`<${More} pages=${pages} />`}
  </section>`;
}

// Purchases are told with the first score: before it a zero may be wrong.
const isUncounted = (customer) => customer.risk_state === "unscored" && customer.n_purchases === 0;

function Table({ items, caption }) {
  return html`<div class="table-box"><table class="data">
    <caption class="sr">${caption}</caption>
    <thead><tr><th scope="col">${t("customers.head.name")}</th><th scope="col">${t("customers.head.state")}</th><th scope="col">${t("alerts.head.risk")}</th>
      <th scope="col" class="right">${t("customers.head.purchases")}</th><th scope="col">${t("customers.head.lastpurchase")}</th><th scope="col">${t("customers.head.last")}</th></tr></thead>
    <tbody>${items.map((customer) => html`<tr key=${customer.customer_id}>
      <td><a class="who" href=${link("customers", customer.customer_id)}><b dir="auto">${customer.name ?? customer.customer_id}</b><${Tier} tier=${customer.tier} />${customer.is_demo && html`<${Demo} />`}<${HeldOut} of=${customer} /></a>
        ${customer.snippet && html`<small class="snippet" dir="auto">${customer.snippet}</small>`}</td>
      <td class="corner" data-label=${t("customers.head.state")}><${RiskState} state=${customer.risk_state} /></td>
      <td data-label=${t("alerts.head.risk")}>${customer.p_churn == null ? t("none") : html`<${Gauge} p=${customer.p_churn} />`}</td>
      <td class="right" data-label=${t("customers.head.purchases")}>${isUncounted(customer) ? html`<span title=${t("risk.none")}>${t("none")}</span>` : number(customer.n_purchases)}</td>
      <td data-label=${t("customers.head.lastpurchase")}>${customer.last_purchase_at ? html`<${When} at=${customer.last_purchase_at} />` : t("none")}</td>
      <td data-label=${t("customers.head.last")}><${When} at=${customer.last_seen_at} /></td>
    </tr>`)}</tbody></table></div>`;
}
