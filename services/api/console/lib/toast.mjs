// Short messages that come and go; screen readers hear them through the live region that draws them.
import { signal } from "./view.mjs";

export const toasts = signal([]);
const SHOWN_MS = { done: 4_000, warning: 9_000, error: 9_000 };
let next = 1;

export function tell(text, kind = "done") {
  const id = next++;
  toasts.value = [...toasts.value.slice(-2), { id, text, kind }];
  setTimeout(() => dismiss(id), SHOWN_MS[kind]);
}

export function dismiss(id) {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
