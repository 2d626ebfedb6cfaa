// What a viewer prefers on this device: language, theme, sound and notifications. Kept in the browser alone.
import { effect, signal } from "./view.mjs";

const KEY = "pulseline.preferences";

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

const initial = stored();
const firstLocale = (navigator.languages ?? [navigator.language]).find((tag) => /^(zh|en)\b/i.test(tag)) ?? "en";

export const locale = signal(initial.locale ?? (/^zh/i.test(firstLocale) ? "zh" : "en"));
export const theme = signal(initial.theme ?? "system");
export const isSoundOn = signal(initial.sound ?? false);
export const isNotifying = signal(initial.notify ?? false);

effect(() => {
  document.documentElement.lang = locale.value === "zh" ? "zh-CN" : "en";
  document.documentElement.dataset.theme = theme.value;
  const preferences = {
    locale: locale.value,
    theme: theme.value,
    sound: isSoundOn.value,
    notify: isNotifying.value,
  };
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // Storage may be forbidden or full; the choice then lasts as long as the page.
  }
});
