// What an escalation policy promised about an alert: until when somebody acts, and what was not kept.
import { t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { When } from "./when.mjs";

export function PromiseBadge({ alert }) {
  if (alert.breached?.length) return html`<span class="badge overdue">${t(`promise.broken.${alert.breached.at(-1)}`)}</span>`;
  const isOpen = alert.status === "open" || alert.status === "acknowledged";
  const due = alert.acknowledged_at || !alert.acknowledge_due_at ? alert.resolve_due_at : alert.acknowledge_due_at;
  if (!isOpen || !due) return null;
  const kind = due === alert.acknowledge_due_at ? "acknowledge" : "resolve";
  return html`<span class="badge due">${t(`promise.due.${kind}`)} <${When} at=${due} /></span>`;
}
