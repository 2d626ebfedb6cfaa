// Short messages that come and go, and what is said to who listens: one sentence at a time, in a live region.
import { signal } from "./view.mjs";

export const toasts = signal([]);
/** What screen readers are told. */
export const said = signal("");
const SHOWN_MS = { done: 4_000, warning: 9_000, error: 9_000 };
let next = 1;

/** Says a sentence to who listens; it is not shown. */
export function say(text) {
  // The same again is no change and would not be heard.
  said.value = said.value === text ? `${text}\u00a0` : text;
}

export function tell(text, kind = "done") {
  say(text);
  const id = next++;
  toasts.value = [...toasts.value.slice(-2), { id, text, kind }];
  setTimeout(() => dismiss(id), SHOWN_MS[kind]);
}

export function dismiss(id) {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
