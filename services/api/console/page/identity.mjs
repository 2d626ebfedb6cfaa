// Handles that two known customers claim: nothing moves until a person has decided.
import { Asking } from "../component/asking.mjs";
import { Empty, Failed, More, Waiting } from "../component/empty.mjs";
import { Handle, because } from "../component/identity.mjs";
import { Icon } from "../component/icon.mjs";
import { When } from "../component/when.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded, usePages } from "../lib/load.mjs";
import { link, route, setQuery } from "../lib/route.mjs";
import { t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";

export function IdentityPage() {
  const isAll = route.value.query.get("show") === "all";
  const pages = usePages((cursor) => api.conflicts({ status: isAll ? null : "open", cursor, limit: 50 }), [isAll], `all ${isAll}`);
  const [asked, setAsked] = useState(null);
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.identity")}</h1>
      <div class="segments" role="group" aria-label=${t("customer.timeline.filter")}>
        ${[false, true].map((all) => html`<button type="button" key=${all} aria-pressed=${isAll === all} onClick=${() => setQuery({ show: all ? "all" : "" })}>${t(all ? "identity.all" : "identity.open")}</button>`)}
      </div></header>
    <p class="lead">${t("identity.lead")}</p>
    ${pages.problem ? html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`
      : pages.items.length ? html`<div class="stack full">${pages.items.map((claim) => html`<${Claim} key=${claim.id} claim=${claim} ask=${(decision, sides) => setAsked({ claim, decision, sides })} />`)}</div>`
      : pages.isLoading ? html`<${Waiting} />`
      : html`<${Empty} icon="check" title=${t(isAll ? "identity.empty.all" : "identity.empty")} hint=${t("identity.empty.hint")} />`}
    <${More} pages=${pages} />
    ${asked && html`<${DecideDialog} ...${asked} onClose=${() => setAsked(null)} onDone=${(text) => (setAsked(null), tell(text), pages.reload())} />`}
  </section>`;
}

function Claim({ claim, ask }) {
  // Who is erased, or not projected yet, is shown by the id alone.
  const known = (id) => api.customer(id).catch(() => ({ customer_id: id, name: null }));
  const sides = useLoaded(() => Promise.all([known(claim.owner_id), known(claim.claimant_id)]), [claim.id]);
  const isOpen = claim.status === "open";
  const [owner, claimant] = sides.data ?? [{ customer_id: claim.owner_id }, { customer_id: claim.claimant_id }];
  const decide = (decision) => () => ask(decision, [owner, claimant]);
  return html`<section class="card claim" aria-labelledby=${`claim-${claim.id}`}>
    <div class="card-head">
      <h2 id=${`claim-${claim.id}`}>${claim.handle ? html`<${Handle} handle=${claim.handle} />` : html`<span class="mono" dir="auto">${claim.linked_id}</span>`}</h2>
      ${!isOpen && html`<span class="badge">${term("decision", claim.status)}</span>`}
      <span class="spacer" /><span class="hint"><${When} at=${claim.at} /></span>
    </div>
    <div class="pair">
      <${Side} label=${t("identity.owner")} customer=${owner} />
      <${Side} label=${t("identity.claimant")} customer=${claimant} />
    </div>
    <p class="hint" dir="auto">${t("identity.claimed", { by: claim.by })} · ${because(claim.reason)}</p>
    ${claim.decided_by && html`<p class="hint" dir="auto">${t("identity.decided", { who: claim.decided_by })} <${When} at=${claim.decided_at} />${claim.note && html` · ${claim.note}`}</p>`}
    ${isOpen && may("identity:write") && html`<div class="actions">
      <button class="button" type="button" onClick=${decide("merge")}><${Icon} name="user" />${t("identity.decide.merge")}</button>
      <button class="button" type="button" onClick=${decide("keep_apart")}>${t("identity.decide.keep_apart")}</button>
      ${claim.handle && html`<button class="button" type="button" onClick=${decide("move")}>${t("identity.decide.move", { customer: nameOf(claimant) })}</button>`}
    </div>`}
  </section>`;
}

const nameOf = (customer) => customer.name ?? customer.customer_id;

function Side({ label, customer }) {
  return html`<div class="side-of-claim"><small>${label}</small>
    <a class="who" href=${link("customers", customer.customer_id)}><b dir="auto">${nameOf(customer)}</b></a>
    <span class="hint"><span class="mono" dir="auto">${customer.customer_id}</span>
      ${customer.orders && html` · ${t("customer.orders", { n: customer.orders.reduce((sum, { n_placed }) => sum + n_placed, 0) })} · ${t("identity.seen")} <${When} at=${customer.last_seen_at} />`}</span>
    ${customer.handles?.length > 0 && html`<ul class="handles bare">${customer.handles.map((handle) => html`<li key=${handle}><${Handle} handle=${handle} /></li>`)}</ul>`}
  </div>`;
}

function DecideDialog({ claim, decision, sides, onClose, onDone }) {
  const [owner, claimant] = sides;
  const [survivor, setSurvivor] = useState(claim.owner_id);
  const send = async (note) => {
    const body = { decision, note, ...(decision === "merge" ? { into_id: survivor } : {}) };
    try {
      await api.decide(claim.id, body, claim.version);
      return t("identity.decide.done");
    } catch (problem) {
      if (!problem.isConflict) throw problem;
      return t("identity.decide.late", { who: problem.body.present?.decided_by ?? "" });
    }
  };
  const names = { owner: nameOf(owner), claimant: nameOf(claimant) };
  return html`<${Asking} title=${t(`identity.decide.${decision}`, { customer: names.claimant })} hint=${t(`identity.hint.${decision}`, names)} label=${t("identity.reason")}
    word=${t("identity.decide.submit")} onClose=${onClose} onDone=${onDone} send=${send}>
    ${decision === "merge" && html`<fieldset class="field"><legend>${t("identity.survivor")}</legend>
      ${sides.map((side) => html`<label class="choice" key=${side.customer_id}><input type="radio" name="survivor" checked=${survivor === side.customer_id}
        onChange=${() => setSurvivor(side.customer_id)} /><span dir="auto">${nameOf(side)}</span><small class="mono">${side.customer_id}</small></label>`)}</fieldset>`}
  </${Asking}>`;
}
