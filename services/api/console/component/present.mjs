// Colleagues who have the same alert open.
import { list, t } from "../lib/text.mjs";
import { usePresence } from "../lib/presence.mjs";
import { html } from "../lib/view.mjs";

export function Present({ alertId }) {
  const others = usePresence(alertId);
  return html`<p class="present" role="status">${others.length > 0 && html`
    <span class="faces" aria-hidden="true">${others.slice(0, 4).map(({ name }) => html`<i key=${name}>${initial(name)}</i>`)}</span>
    <span dir="auto">${t("alert.present", { n: others.length, who: list(others.map(({ name }) => name)) })}</span>`}</p>`;
}

const initial = (name) => [...name.trim()][0]?.toLocaleUpperCase() ?? "";
