// Handles as people read them: what kind of address it is, and the address.
import { humanise, term } from "./text.mjs";

const SCHEME = /^([a-z][a-z0-9_+.-]*):(.+)$/s;
const PHONE = /^\+[\d\s()-]{6,}$/;

/** Returns `{kind, value, icon}`; accounts at a provider are told without the account's own number. */
export function read(handle) {
  const [, scheme, rest] = SCHEME.exec(handle) ?? [null, "", handle];
  const icon = scheme === "tel" ? "phone" : scheme === "mailto" ? "email" : "chat";
  const known = term("handle", scheme);
  return { kind: known === humanise(scheme) ? term("provider", scheme) : known, value: rest.slice(rest.indexOf("/") + 1), icon };
}

/** Returns what somebody typed as a handle, or null when it reads like a customer's id. */
export function asHandle(typed) {
  const text = typed.trim();
  if (SCHEME.test(text)) return text;
  if (PHONE.test(text)) return `tel:${text.replace(/[^\d+]/g, "")}`;
  return /^[^\s@]+@[^\s@]+$/.test(text) ? `mailto:${text.toLowerCase()}` : null;
}
