// The list of keyboard shortcuts.
import { KEY } from "../lib/keys.mjs";
import { t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Dialog } from "./dialog.mjs";

const KEYS = [
  [["j", "k"], "keys.move"],
  [["Enter"], "keys.open"],
  [[KEY.acknowledge], "keys.acknowledge"],
  [[KEY.pick], "keys.pick"],
  [[KEY.snooze], "keys.snooze"],
  [[KEY.escalate], "keys.escalate"],
  [[KEY.resolve], "keys.resolve"],
  [[KEY.back], "keys.back"],
  [["/"], "keys.search"],
  [["?"], "keys.help"],
];

export const HelpDialog = ({ onClose }) => html`<${Dialog} title=${t("keys.title")} onClose=${onClose}>
  <dl class="keys">
    ${KEYS.map(([keys, text]) => html`<div key=${text}><dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${t(text)}</dd></div>`)}
  </dl>
</${Dialog}>`;
