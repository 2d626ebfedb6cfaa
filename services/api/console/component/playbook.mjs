// What to do about an alert: the playbook it names, step by step, and why this one.
import playbooks from "../i18n/playbooks.mjs";
import { locale } from "../lib/settings.mjs";
import { humanise, t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

export function Playbook({ alert }) {
  const words = Object.hasOwn(playbooks, alert.playbook ?? "") ? playbooks[alert.playbook][locale.value] : null;
  const because = withoutTitle((locale.value === "zh" && alert.playbook_reason_zh) || alert.playbook_reason);
  return html`<section class="card todo" aria-labelledby="todo">
    <h2 id="todo">${t("alert.todo")}</h2>
    ${alert.playbook
      ? html`<p class="todo-title" dir="auto">${words?.title ?? humanise(alert.playbook)}</p>
          ${words && html`<ol class="steps">${words.steps.map((step) => html`<li key=${step}>${step}</li>`)}</ol>`}
          ${because && html`<p class="hint" dir="auto">${t("alert.todo.reason", { reason: because })}</p>`}`
      : html`<p>${t("alert.todo.none")}</p>`}
  </section>`;
}

/** Returns the reason without the playbook's title, which stands above it already. */
function withoutTitle(reason) {
  return reason.replace(/^.*[:：]\s*/, "");
}
