// The list of keyboard shortcuts.
import { t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Dialog } from "./dialog.mjs";

const KEYS = [
  [["j", "k"], "keys.move"],
  [["Enter"], "keys.open"],
  [["a"], "keys.acknowledge"],
  [["s"], "keys.snooze"],
  [["e"], "keys.escalate"],
  [["r"], "keys.resolve"],
  [["u"], "keys.back"],
  [["/"], "keys.search"],
  [["?"], "keys.help"],
];

export const HelpDialog = ({ onClose }) => html`<${Dialog} title=${t("keys.title")} onClose=${onClose}>
  <dl class="keys">
    ${KEYS.map(([keys, text]) => html`<div key=${text}><dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${t(text)}</dd></div>`)}
  </dl>
</${Dialog}>`;
