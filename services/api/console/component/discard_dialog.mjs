// Asks why dead letters may be given up, and gives them up.
import { Dialog } from "./dialog.mjs";
import { problemText } from "../lib/actions.mjs";
import { t } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";

/** `discard(reason)` does it and tells of it; what it is refused is told here. */
export function DiscardDialog({ title, onClose, discard }) {
  const [note, setNote] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    onClose();
    try {
      await discard(note.trim());
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${submit}>
      <label class="field"><span>${t("dead.discard.note")}</span><textarea rows="3" required maxlength="2000" autofocus value=${note} onInput=${(event) => setNote(event.target.value)} /></label>
      <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button><button class="button danger" type="submit">${t("dead.discard")}</button></footer>
    </form>
  </${Dialog}>`;
}
