// Segments: filters of customers kept under a name, one's own or everybody's.
import { problemText } from "../lib/actions.mjs";
import { api, may, session } from "../lib/api.mjs";
import { copy } from "../lib/copy.mjs";
import { link } from "../lib/route.mjs";
import { t } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";
import { Chip } from "./badge.mjs";
import { described } from "./customer_filters.mjs";
import { Dialog } from "./dialog.mjs";
import { Icon } from "./icon.mjs";

const mayChange = (segment) => may("segments:write") && (segment.owner === session.value.name || may("segments:share"));

/** The saved segments as links, and the one that is open with what may be done to it. */
export function SegmentBar({ segments, open, base, filter, isAsking, onSaved, onRemoved }) {
  const [dialog, setDialog] = useState(null);
  const close = () => setDialog(null);
  const save = async (body, id) => {
    const kept = id ? await api.putSegment(id, body) : await api.newSegment(body);
    close();
    tell(t("segments.saved", { name: kept.name }));
    onSaved(kept);
  };
  const update = async () => {
    try {
      await save({ name: base.name, filter, is_shared: base.is_shared }, base.id);
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  const remove = async () => {
    close();
    try {
      await api.removeSegment(open.id);
      tell(t("segments.removed", { name: open.name }));
      onRemoved();
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  const share = () => copy(new URL(link("customers", null, { segment: open.id }), location.href).href);
  return html`<section class="segment-bar" aria-label=${t("segments.title")}>
    ${segments.length > 0 && html`<nav aria-label=${t("segments.title")}><ul class="segment-links">
      ${segments.map((one) => html`<li key=${one.id}><a class="segment-link" href=${link("customers", null, { segment: one.id })} aria-current=${one.id === open?.id ? "page" : null}
        title=${described(one.filter)} dir="auto">${one.name}</a></li>`)}</ul></nav>`}
    ${open && html`<p class="segment-open"><b dir="auto">${open.name}</b> <span class="hint">${described(open.filter)}</span>
      <${Chip}>${open.is_shared ? t("segments.shared.by", { who: open.owner }) : t("segments.own")}</${Chip}>
      <button class="button small" type="button" onClick=${share}><${Icon} name="copy" size=${13} />${t("segments.link")}</button>
      ${mayChange(open) && html`<button class="button small" type="button" onClick=${() => setDialog("rename")}>${t("segments.rename")}</button>
        <button class="button small" type="button" onClick=${() => setDialog("remove")}>${t("segments.remove")}</button>`}</p>`}
    ${!open && isAsking && may("segments:write") && html`<p class="segment-open">
      ${base && mayChange(base) && html`<button class="button small primary" type="button" onClick=${update}>${t("segments.update", { name: base.name })}</button>`}
      <button class="button small" type="button" onClick=${() => setDialog("new")}><${Icon} name="plus" size=${13} />${t("segments.new")}</button>
      <a class="button small quiet" href=${link("customers")}>${t("alerts.filter.clear")}</a></p>`}
    ${dialog === "new" && html`<${NameDialog} title=${t("segments.new")} filter=${filter} onClose=${close} onSave=${(body) => save(body)} />`}
    ${dialog === "rename" && html`<${NameDialog} title=${t("segments.rename")} segment=${open} filter=${open.filter} onClose=${close} onSave=${(body) => save(body, open.id)} />`}
    ${dialog === "remove" && html`<${Dialog} title=${t("segments.remove")} hint=${t("segments.remove.sure", { name: open.name })} onClose=${close}>
      <footer><button class="button" type="button" autofocus onClick=${close}>${t("cancel")}</button>
        <button class="button danger" type="button" onClick=${remove}>${t("segments.remove")}</button></footer></${Dialog}>`}
  </section>`;
}

function NameDialog({ title, segment, filter, onClose, onSave }) {
  const [name, setName] = useState(segment?.name ?? "");
  const [isShared, setShared] = useState(segment?.is_shared ?? false);
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      await onSave({ name: name.trim(), filter, is_shared: isShared });
    } catch (refusal) {
      setProblem(refusal);
    }
  };
  return html`<${Dialog} title=${title} hint=${described(filter)} onClose=${onClose}><form onSubmit=${submit}>
    <label class="field"><span>${t("settings.keys.name")}</span><input type="text" required maxlength="128" pattern=".*\\S.*" autofocus value=${name} onInput=${(event) => setName(event.target.value)} /></label>
    ${may("segments:share") && html`<label class="setting"><span>${t("segments.share")}</span><input type="checkbox" checked=${isShared} onChange=${(event) => setShared(event.target.checked)} /></label>`}
    ${problem && html`<p class="error" role="alert">${problemText(problem)}</p>`}
    <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button><button class="button primary" type="submit">${t("segments.save")}</button></footer>
  </form></${Dialog}>`;
}
