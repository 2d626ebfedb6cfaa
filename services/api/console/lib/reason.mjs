// Why something was refused, for a person in their language; the service's own words stay beside it as detail.
import reasons from "../i18n/reasons.mjs";
import { locale } from "./settings.mjs";

const LANGUAGES = ["en", "zh"];
const CUT = " (the value is cut: it was too large for a dead letter)";
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const known = reasons.map(([pattern, ...texts]) => [new RegExp(`^${pattern.split("{}").map(escaped).join("(.+?)")}$`, "s"), texts]);

/** Returns `{text, detail}`: the sentence, and what the service said where that is something else. */
export function told(reason) {
  const plain = reason.endsWith(CUT) ? reason.slice(0, -CUT.length) : reason;
  for (const [pattern, texts] of known) {
    const found = pattern.exec(plain);
    if (!found) continue;
    const text = texts[LANGUAGES.indexOf(locale.value)].replace(/\{(\d)\}/g, (_, number) => found[Number(number)]);
    return { text, detail: text === reason ? "" : reason };
  }
  return { text: reason, detail: "" };
}
