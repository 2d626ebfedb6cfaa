// The questions an action asks before it is sent: until when, how it ended, which channel, who.
import { act } from "../lib/actions.mjs";
import { session } from "../lib/api.mjs";
import { dateTime, t, term } from "../lib/text.mjs";
import { html, useState } from "../lib/view.mjs";
import { Dialog } from "./dialog.mjs";
import { Icon } from "./icon.mjs";

const MORNING_HOUR = 9;
const MONDAY = 1;

/** Returns the choices of a snooze as [text key, Date], counted from `from` in the viewer's zone. */
export function snoozeChoices(from) {
  const plusHours = (hours) => new Date(from.getTime() + hours * 3_600_000);
  const morning = (daysAhead) =>
    new Date(from.getFullYear(), from.getMonth(), from.getDate() + daysAhead, MORNING_HOUR);
  return [
    ["snooze.hour", plusHours(1)],
    ["snooze.hours", plusHours(4)],
    ["snooze.tomorrow", morning(1)],
    ["snooze.week", morning((MONDAY - from.getDay() + 7) % 7 || 7)],
  ];
}

export function SnoozeDialog({ alert, onClose }) {
  const choose = async (until) => {
    onClose();
    await act(alert, "snooze", { until: until.toISOString() });
  };
  return html`<${Dialog} title=${t("snooze.title")} hint=${t("snooze.hint")} onClose=${onClose}>
    <div class="choices">
      ${snoozeChoices(new Date()).map(([key, until], index) => html`<button class="choice" type="button" key=${key}
          autofocus=${index === 0} onClick=${() => choose(until)}>
        <${Icon} name="clock" /><span>${t(key)}</span><small>${dateTime(until)}</small>
      </button>`)}
    </div>
  </${Dialog}>`;
}

const RESOLUTIONS = ["saved", "handled", "lost", "false_alarm", "duplicate", "other"];

export function ResolveDialog({ alert, onClose }) {
  const [note, setNote] = useState("");
  const choose = async (resolution) => {
    onClose();
    await act(alert, "resolve", { resolution, note });
  };
  return html`<${Dialog} title=${t("resolve.title")} hint=${t("resolve.hint")} onClose=${onClose}>
    <label class="field"><span>${t("action.note")}</span>
      <textarea rows="2" maxlength="4000" autofocus value=${note} onInput=${(event) => setNote(event.target.value)} /></label>
    <div class="choices two">
      ${RESOLUTIONS.map((resolution) => html`<button class="choice" type="button" key=${resolution}
          onClick=${() => choose(resolution)}><span>${term("resolution", resolution)}</span></button>`)}
    </div>
  </${Dialog}>`;
}

export function EscalateDialog({ alert, onClose }) {
  const [note, setNote] = useState("");
  const send = async (event) => {
    event.preventDefault();
    onClose();
    await act(alert, "escalate", { note });
  };
  return html`<${Dialog} title=${t("escalate.title")} hint=${t("escalate.hint")} onClose=${onClose}>
    <form onSubmit=${send}>
      <label class="field"><span>${t("action.note")}</span>
        <textarea rows="3" maxlength="4000" value=${note} onInput=${(event) => setNote(event.target.value)} /></label>
      <footer>
        <button class="button" type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="button primary" type="submit" autofocus>${t("action.escalate")}</button>
      </footer>
    </form>
  </${Dialog}>`;
}

const CHANNELS = ["phone", "email", "chat", "sms", "social", "in_person"];

export function ContactDialog({ alert, onClose }) {
  const [note, setNote] = useState("");
  const choose = async (channel) => {
    onClose();
    await act(alert, "contact", { channel, note });
  };
  return html`<${Dialog} title=${t("contact.title")} onClose=${onClose}>
    <label class="field"><span>${t("action.note")}</span>
      <textarea rows="2" maxlength="4000" autofocus value=${note} onInput=${(event) => setNote(event.target.value)} /></label>
    <div class="choices two">
      ${CHANNELS.map((channel) => html`<button class="choice" type="button" key=${channel}
          onClick=${() => choose(channel)}><${Icon} name=${channel} /><span>${term("channel", channel)}</span></button>`)}
    </div>
  </${Dialog}>`;
}

export function AssignDialog({ alert, onClose }) {
  const [assignee, setAssignee] = useState(alert.assignee ?? "");
  const send = async (to) => {
    onClose();
    await act(alert, "assign", { assignee: to });
  };
  const submit = (event) => {
    event.preventDefault();
    send(assignee.trim() || null);
  };
  return html`<${Dialog} title=${t("assign.title")} onClose=${onClose}>
    <form onSubmit=${submit}>
      <label class="field"><span>${t("assign.to")}</span>
        <input type="text" maxlength="128" autofocus value=${assignee} onInput=${(event) => setAssignee(event.target.value)} /></label>
      <footer>
        <button class="button" type="button" onClick=${() => send(null)} disabled=${!alert.assignee}>${t("assign.nobody")}</button>
        <button class="button" type="button" onClick=${() => send(session.value.name)}>${t("action.assign.me")}</button>
        <button class="button primary" type="submit">${t("action.assign")}</button>
      </footer>
    </form>
  </${Dialog}>`;
}

export const DIALOGS = {
  snooze: SnoozeDialog,
  resolve: ResolveDialog,
  escalate: EscalateDialog,
  contact: ContactDialog,
  assign: AssignDialog,
};
