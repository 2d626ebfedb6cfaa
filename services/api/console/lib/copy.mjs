// Putting a text on the clipboard, and saying so.
import { t } from "./text.mjs";
import { tell } from "./toast.mjs";

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    tell(t("copied"));
  } catch {
    // Without a secure origin there is no clipboard; the text stays on screen to be marked by hand.
    tell(t("copied.not"), "warning");
  }
}
