// Everyone who may leave, the costliest first.
import { Demo, HeldOut, Tier } from "../component/badge.mjs";
import { Empty, Failed, More, Waiting } from "../component/empty.mjs";
import { Choice } from "../component/filters.mjs";
import { Gauge } from "../component/risk.mjs";
import { When } from "../component/when.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded, usePages } from "../lib/load.mjs";
import { link, route, setQuery } from "../lib/route.mjs";
import { money, number, t, term } from "../lib/text.mjs";
import { html, useEffect } from "../lib/view.mjs";

const TIERS = ["platinum", "gold", "silver", "bronze", "new"];
const LOOK_AGAIN_MS = 10_000;

export function AtRiskPage() {
  const tier = route.value.query.get("tier") ?? "";
  const isWhole = may("holdout:read") && route.value.query.get("held") === "shown";
  const pages = usePages((cursor) => api.atRisk({ tier: tier || null, held_out: isWhole ? "include" : null, cursor, limit: 50 }), [tier, isWhole], `${tier} ${isWhole}`);
  const n_left_out = pages.page?.n_held_out ?? 0;
  const largest = pages.items[0]?.expected_loss ?? 0;
  const hasCurrencies = new Set(pages.items.map(({ currency }) => currency)).size > 1;
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.at-risk")}</h1></header>
    <p class="lead">${t("atrisk.lead")}${hasCurrencies && ` ${t("atrisk.currencies")}`}</p>
    <div class="filters open"><${Choice} label=${t("atrisk.tier")} value=${tier} onChange=${(value) => setQuery({ tier: value })}
      options=${[["", t("alerts.filter.any")], ...TIERS.map((one) => [one, term("tier", one)])]} /></div>
    ${(isWhole || n_left_out > 0) && html`<p class="hint held-out">${isWhole ? t("atrisk.heldout.shown") : t("atrisk.heldout", { n: n_left_out })}
      ${may("holdout:read") && html` <button class="link" type="button" onClick=${() => setQuery({ held: isWhole ? "" : "shown" })}>${t(isWhole ? "atrisk.heldout.hide" : "atrisk.heldout.show")}</button>`}</p>`}
    ${pages.problem ? html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`
      : pages.items.length ? html`<${Table} items=${pages.items} largest=${largest} />`
      : pages.isLoading && !pages.page ? html`<${Waiting} />`
      : tier || n_left_out > 0 ? html`<${Empty} icon="filter" title=${t("alerts.nomatch")} hint=${t("alerts.nomatch.hint")}><a class="button" href=${link("at-risk")}>${t("alerts.filter.clear")}</a></${Empty}>`
      : html`<${Nobody} again=${pages.reload} />`}
    <${More} pages=${pages} />
  </section>`;
}

/** Nobody is known yet, or the first risks after an import are still being computed; then this looks again by itself. */
function Nobody({ again }) {
  const anybody = useLoaded(() => api.customers({ limit: 1 }), []);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  if (!anybody.data && !anybody.problem) return html`<${Waiting} />`;
  return anybody.data?.items.length
    ? html`<${Empty} icon="clock" title=${t("atrisk.soon")} hint=${t("atrisk.soon.hint")} />`
    : html`<${Empty} icon="at-risk" title=${t("atrisk.empty")} hint=${t("atrisk.empty.hint")} />`;
}

function Table({ items, largest }) {
  return html`<div class="table-box"><table class="data">
    <caption class="sr">${t("atrisk.caption")}</caption>
    <thead><tr><th scope="col">${t("customers.head.name")}</th><th scope="col">${t("alerts.head.loss")}</th><th scope="col">${t("alerts.head.risk")}</th>
      <th scope="col">${t("customers.head.lastpurchase")}</th><th scope="col" class="right">${t("customers.head.purchases")}</th></tr></thead>
    <tbody>${items.map((customer) => html`<tr key=${customer.customer_id}>
      <td><a class="who" href=${link("customers", customer.customer_id)}><b dir="auto">${customer.name ?? customer.customer_id}</b><${Tier} tier=${customer.tier} />${customer.is_demo && html`<${Demo} />`}<${HeldOut} of=${customer} /></a></td>
      <td data-label=${t("alerts.head.loss")}><span class="loss"><b>${money(customer.expected_loss, customer.currency)}</b>
        <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=${Math.max(1, (100 * customer.expected_loss) / largest)} height="6" /></svg></span></td>
      <td data-label=${t("alerts.head.risk")}>${customer.p_churn == null ? t("none") : html`<${Gauge} p=${customer.p_churn} />`}</td>
      <td data-label=${t("customers.head.lastpurchase")}>${customer.last_purchase_at ? html`<${When} at=${customer.last_purchase_at} />` : t("none")}</td>
      <td class="right" data-label=${t("customers.head.purchases")}>${number(customer.n_purchases)}</td>
    </tr>`)}</tbody></table></div>`;
}
