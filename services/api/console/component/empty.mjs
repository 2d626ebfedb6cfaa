// What a page shows instead of rows (nothing there and what to do next, waiting, or why it failed) and below those it has.
import { problemText } from "../lib/actions.mjs";
import { place } from "../lib/focus.mjs";
import { t } from "../lib/text.mjs";
import { html, useLayoutEffect, useRef, useState } from "../lib/view.mjs";
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

/** The button below a list that has more. What comes takes the focus, since the button may be gone by then. */
export function More({ pages }) {
  const last = useRef(null);
  useLayoutEffect(() => {
    if (pages.isLoading || !last.current) return;
    const next = last.current.nextElementSibling;
    last.current = null;
    if (next) place(next);
  });
  const ask = ({ target }) => {
    last.current = [...target.previousElementSibling.querySelectorAll(":is(tbody > tr, li, .card)")].at(-1);
    pages.more();
  };
  return pages.hasMore && html`<button class="button wide" type="button" disabled=${pages.isLoading} onClick=${ask}>${t("more")}</button>`;
}
