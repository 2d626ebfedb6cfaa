// A question that wants a reason before it is sent.
import { problemText } from "../lib/actions.mjs";
import { t } from "../lib/text.mjs";
import { html, useState } from "../lib/view.mjs";
import { Dialog } from "./dialog.mjs";

/** Asks for a reason and whatever the children ask; `send(reason)` may refuse, `onDone` gets its answer. */
export function Asking({ title, hint, label, word, send, onClose, onDone, children }) {
  const [reason, setReason] = useState("");
  const [refusal, setRefusal] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      onDone(await send(reason.trim()));
    } catch (problem) {
      setRefusal(problemText(problem));
    }
  };
  return html`<${Dialog} title=${title} hint=${hint} onClose=${onClose}><form onSubmit=${submit}>
    ${children}
    <label class="field"><span>${label}</span>
      <textarea rows="2" maxlength="2000" required autofocus=${!children} value=${reason} onInput=${(event) => setReason(event.target.value)} /></label>
    ${refusal && html`<p class="error" role="alert">${refusal}</p>`}
    <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button>
      <button class="button primary" type="submit">${word}</button></footer>
  </form></${Dialog}>`;
}
