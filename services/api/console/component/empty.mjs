// What a page shows instead of rows: nothing there and what to do next, waiting, or why it failed.
import { problemText } from "../lib/actions.mjs";
import { t } from "../lib/text.mjs";
import { html, useState } from "../lib/view.mjs";
import { Icon } from "./icon.mjs";

/** Text between backticks in a catalogue is a command; it is set as code. */
export function Rich({ text }) {
  return text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));
}

export const Empty = ({ icon, title, hint, children }) => html`<div class="empty">
  <span class="empty-icon"><${Icon} name=${icon} size=${22} /></span>
  <h2>${title}</h2>
  <p><${Rich} text=${hint} /></p>
  ${children}
</div>`;

export const Waiting = () => html`<div class="waiting" role="status"><span class="spinner" />${t("loading")}</div>`;

/** Asking again brings nothing missing or forbidden. */
export function Failed({ problem, retry }) {
  const [asked, setAsked] = useState(null);
  return html`<div class="empty" role="alert">
    <span class="empty-icon"><${Icon} name="close" size=${22} /></span>
    <h2>${t("problem.title")}</h2>
    <p>${problemText(problem)}</p>
    ${![403, 404].includes(problem.status) && html`<button class="button" disabled=${asked === problem} onClick=${() => (setAsked(problem), retry())}>${t(asked === problem ? "loading" : "retry")}</button>`}
  </div>`;
}
