// What to do about an alert: the playbook it names, step by step, and why this one.
import playbooks from "../i18n/playbooks.mjs";
import { locale } from "../lib/settings.mjs";
import { humanise, t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

export function Playbook({ alert }) {
  const words = Object.hasOwn(playbooks, alert.playbook ?? "") ? playbooks[alert.playbook][locale.value] : null;
  // The engine's reason begins with the playbook's English title, which stands above already.
  const title = Object.hasOwn(playbooks, alert.playbook ?? "") ? `${playbooks[alert.playbook].en.title}: ` : "";
  const because = alert.playbook_reason.startsWith(title) ? alert.playbook_reason.slice(title.length) : alert.playbook_reason;
  return html`<section class="card todo" aria-labelledby="todo">
    <h2 id="todo">${t("alert.todo")}</h2>
    ${alert.playbook
      ? html`<p class="todo-title" dir="auto">${words?.title ?? humanise(alert.playbook)}</p>
          ${words && html`<ol class="steps">${words.steps.map((step) => html`<li key=${step}>${step}</li>`)}</ol>`}
          ${because && html`<p class="hint" dir="auto">${t("alert.todo.reason", { reason: because })}</p>`}`
      : html`<p>${t("alert.todo.none")}</p>`}
  </section>`;
}
