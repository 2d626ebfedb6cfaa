// A modal question on the browser's own <dialog>: it keeps the focus inside, closes on Escape, gives the focus back.
import { t } from "../lib/text.mjs";
import { pathOf, place, settle } from "../lib/focus.mjs";
import { html, useEffect, useRef } from "../lib/view.mjs";
import { Icon } from "./icon.mjs";

let next = 1;

export function Dialog({ title, hint, onClose, children, wide = false }) {
  const element = useRef(null);
  const id = useRef(`dialog-${next++}`);
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    const path = pathOf(before);
    dialog.showModal();
    return () => {
      if (dialog.open) dialog.close();
      if (before?.isConnected && before !== document.body) place(before);
      else settle(path);
    };
  }, []);
  const onBackdrop = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${id.current}
      onCancel=${(event) => (event.preventDefault(), onClose())} onMouseDown=${onBackdrop}>
    <header>
      <h2 id=${id.current}>${title}</h2>
      <button class="icon-button" type="button" aria-label=${t("close")} onClick=${onClose}><${Icon} name="close" /></button>
    </header>
    ${hint && html`<p class="hint">${hint}</p>`}
    ${children}
  </dialog>`;
}
