// A text to be pasted elsewhere: an address, a key, a command; one button takes it along.
import { copy } from "../lib/copy.mjs";
import { t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Icon } from "./icon.mjs";

export const Paste = ({ text, label, isBlock = false }) => html`<div class=${`paste ${isBlock ? "block" : ""}`}>
  <pre class="mono" tabindex="0" aria-label=${label}>${text}</pre>
  <button class="button small" type="button" onClick=${() => copy(text)}><${Icon} name="copy" size=${13} />${t("copy")}</button>
</div>`;
