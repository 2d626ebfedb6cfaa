// How a customer is known: addresses, who linked each and why, joined records; and how to end a link or make one.
import { api, may } from "../lib/api.mjs";
import { asHandle, read } from "../lib/handle.mjs";
import { useLoaded } from "../lib/load.mjs";
import { date, t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";
import { Asking } from "./asking.mjs";
import { Failed, Waiting } from "./empty.mjs";
import { Icon } from "./icon.mjs";
import { When } from "./when.mjs";

const EVENT_ID = /^([a-z]+\.[a-z]+|interaction|inquiry) (\S+)$/;

/** Returns why a link was made: what a person wrote, or the event that named both. */
export function because(reason) {
  const [, type, id] = EVENT_ID.exec(reason) ?? [];
  return type ? t("identity.event", { type: term("type", type), id }) : reason;
}

export function Handle({ handle }) {
  const { kind, value, icon } = read(handle);
  return html`<span class="handle" title=${handle}><${Icon} name=${icon} size=${15} /><span><small>${kind}</small> <span class="mono" dir="auto">${value}</span></span></span>`;
}

export function Identity({ customer, onChange }) {
  const [dialog, setDialog] = useState(null);
  const [isOpen, setOpen] = useState(false);
  const canChange = may("identity:write");
  const links = new Map(customer.links.filter(({ handle }) => handle).map((link) => [link.handle, link]));
  const joined = customer.links.filter(({ handle }) => !handle);
  const entries = [
    ...customer.handles.map((handle) => ({ key: handle, shown: html`<${Handle} handle=${handle} />`, link: links.get(handle) })),
    ...joined.map((link) => ({ key: link.linked_id, link,
      shown: html`<span class="handle"><${Icon} name="user" size=${15} /><span><small>${t("target.customer")}</small> <span class="mono" dir="auto">${link.linked_id}</span></span></span>` })),
  ];
  const done = (text) => {
    setDialog(null);
    tell(text);
    onChange();
  };
  return html`<section class="card"><h2>${t("identity.card")}</h2>
    ${!entries.length && html`<p class="hint">${t("identity.none")}</p>`}
    <ul class="handles">${entries.map(({ key, shown, link }) => html`<li key=${key}>
      <div>${shown}${link && html`<p class="hint" dir="auto">${t("identity.linked", { by: link.by, when: date(link.at) })} · ${because(link.reason)}</p>`}</div>
      ${link && canChange && html`<button class="button small" type="button" onClick=${() => setDialog({ link })}>${t("identity.unlink")}</button>`}
    </li>`)}</ul>
    <div class="identity-foot">
      ${canChange && html`<button class="button small" type="button" onClick=${() => setDialog({ isNew: true })}><${Icon} name="plus" size=${14} />${t("identity.link")}</button>`}
      <button class="button small quiet" type="button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${t("identity.history")}</button>
    </div>
    ${isOpen && html`<${History} id=${customer.customer_id} n_links=${customer.links.length} />`}
    ${dialog?.link && html`<${UnlinkDialog} link=${dialog.link} onClose=${() => setDialog(null)} onDone=${() => done(t("identity.unlink.done"))} />`}
    ${dialog?.isNew && html`<${LinkDialog} customer=${customer} onClose=${() => setDialog(null)} onDone=${() => done(t("identity.link.done"))} />`}
  </section>`;
}

function History({ id, n_links }) {
  const loaded = useLoaded(() => api.linkHistory(id), [id, n_links]);
  if (loaded.problem) return html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`;
  if (!loaded.data) return html`<${Waiting} />`;
  if (!loaded.data.items.length) return html`<p class="hint">${t("identity.history.none")}</p>`;
  return html`<ol class="link-history">${loaded.data.items.map((one) => html`<li key=${`${one.linked_id}/${one.at}/${one.kind}`}>
    <b>${t(one.kind === "linked" ? "identity.link.made" : "identity.link.ended")}</b> ${one.handle ? html`<${Handle} handle=${one.handle} />` : html`<span class="mono" dir="auto">${one.linked_id}</span>`}
    <p class="hint" dir="auto">${one.by} · <${When} at=${one.at} /> · ${because(one.reason)}</p></li>`)}</ol>`;
}

function UnlinkDialog({ link, onClose, onDone }) {
  return html`<${Asking} title=${t("identity.unlink.title", { what: link.handle ? read(link.handle).value : link.linked_id })} hint=${t("identity.unlink.hint")}
    label=${t("identity.reason")} word=${t("identity.unlink")} onClose=${onClose} onDone=${onDone}
    send=${(reason) => api.unlink({ linked_id: link.linked_id, reason })} />`;
}

function LinkDialog({ customer, onClose, onDone }) {
  const [typed, setTyped] = useState("");
  const send = (reason) => {
    const handle = asHandle(typed);
    return api.link({ into_id: customer.customer_id, reason, ...(handle ? { handle } : { linked_id: typed.trim() }) });
  };
  return html`<${Asking} title=${t("identity.link.title", { customer: customer.name ?? customer.customer_id })} hint=${t("identity.link.hint")}
    label=${t("identity.reason")} word=${t("identity.link.submit")} onClose=${onClose} onDone=${onDone} send=${send}>
    <label class="field"><span>${t("identity.link.what")}</span>
      <input type="text" maxlength="256" required autofocus value=${typed} onInput=${(event) => setTyped(event.target.value)} /></label>
  </${Asking}>`;
}
