// Why something was refused, for a person in their language; the service's own words stay beside it as detail.
import reasons from "../i18n/reasons.mjs";
import refusals from "../i18n/refusals.mjs";
import { locale } from "./settings.mjs";

const LANGUAGES = ["en", "zh"];
const CUT = " (the value is cut: it was too large for a dead letter)";
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const compiled = (entries) => entries.map(([pattern, ...texts]) => [new RegExp(`^${pattern.split("{}").map(escaped).join("(.+?)")}$`, "s"), texts]);
const knownReasons = compiled(reasons);
const knownRefusals = compiled(refusals);

function sentence(known, words) {
  for (const [pattern, texts] of known) {
    const found = pattern.exec(words);
    if (found) return texts[LANGUAGES.indexOf(locale.value)].replace(/\{(\d)\}/g, (_, number) => found[Number(number)]);
  }
  return words;
}

/** Returns why an event or a delivery was refused: `{text, detail}`, `detail` being the service's words where they differ. */
export function told(reason) {
  const text = sentence(knownReasons, reason.endsWith(CUT) ? reason.slice(0, -CUT.length) : reason);
  return { text, detail: text === reason ? "" : reason };
}

/** Returns why the API refused what a form sent. */
export const toldRefusal = (detail) => sentence(knownRefusals, detail);
