// Words, numbers and times in the viewer's language and zone. Reading `locale` here re-renders whoever asked.
import WORDS from "../i18n/words.mjs";
import { locale } from "./settings.mjs";
import { signal } from "./view.mjs";

const TAGS = { en: "en", zh: "zh-CN" };
const made = new Map();

const word = (key) => WORDS[key]?.[locale.value === "zh" ? 1 : 0];

function formatter(kind, options) {
  const key = `${locale.value}/${kind.name}/${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(TAGS[locale.value], options));
  return made.get(key);
}

// Relative times are redrawn when this moves; a hidden page needs none.
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 15_000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) now.value = Date.now();
});

/** Returns the text of a key; `{name}` is filled from values, plural forms are chosen by `values.n`. */
export function t(key, values = {}) {
  let text = word(key);
  if (text === undefined) throw new Error(`no text for ${key}`);
  if (typeof text === "object") text = text[formatter(Intl.PluralRules, {}).select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value ?? "");
  });
}

/** Returns the text of `prefix.value` or, for a value this version does not know, the value itself made readable. */
export function term(prefix, value) {
  return value == null ? "" : (word(`${prefix}.${value}`) ?? humanise(value));
}

export function humanise(name) {
  const words = String(name).replace(/[._-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Returns the member of `{stem}_en` / `{stem}_zh` in the viewer's language, or the other when it is empty. */
export function localised(object, stem) {
  const other = locale.value === "zh" ? "en" : "zh";
  return object[`${stem}_${locale.value}`] || object[`${stem}_${other}`] || "";
}

/** Returns the text with its first letter as a sentence begins. */
export const sentence = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

/** Returns an amount that came with a risk; contracts leave the default currency out. */
export const riskMoney = (value, risk) => money(value, risk?.currency ?? "USD");

/** Returns a number as the viewer's language writes it; what rounds to nothing has no sign. */
export const number = (value, options = {}) =>
  formatter(Intl.NumberFormat, { signDisplay: "negative", ...options }).format(value).replace("-", "\u2212");
export const percent = (ratio, digits = 0) =>
  number(ratio, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Returns a probability as people may take it: what is worked out from data is never certain. */
export const chance = (p) => (p >= 0.995 ? `>${percent(0.99)}` : p < 0.005 ? `<${percent(0.01)}` : percent(p));

/** Returns an amount; whole units from 100 up, because cents of a forecast are noise. No currency, no symbol. */
export function money(value, currency = null, digits = Math.abs(value) >= 100 ? 0 : 2) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (!currency) return number(value, options);
  try {
    return number(value, { style: "currency", currency, currencyDisplay: "narrowSymbol", ...options });
  } catch {
    return `${number(value, options)} ${currency}`;
  }
}

/** Returns "a, b and c". */
export const list = (values) => formatter(Intl.ListFormat, { type: "conjunction" }).format(values);

export const date = (at) => formatter(Intl.DateTimeFormat, { dateStyle: "medium" }).format(new Date(at));
export const dateTime = (at) =>
  formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
export const shortDate = (at) =>
  formatter(Intl.DateTimeFormat, { month: "short", day: "numeric" }).format(new Date(at));
export const monthYear = (at) =>
  formatter(Intl.DateTimeFormat, { month: "short", year: "numeric" }).format(new Date(at));

// Days, weeks and months that the server counts are UTC's: in the viewer's zone they would begin a day early or late.
const UTC = { timeZone: "UTC" };
export const utcDate = (at) => formatter(Intl.DateTimeFormat, { month: "short", day: "numeric", ...UTC }).format(new Date(at));
export const utcMonth = (at) => formatter(Intl.DateTimeFormat, { month: "short", year: "numeric", ...UTC }).format(new Date(at));
export const fullTime = (at) =>
  formatter(Intl.DateTimeFormat, { dateStyle: "full", timeStyle: "long" }).format(new Date(at));

const STEPS = [
  ["year", 365.25 * 86_400],
  ["month", 30.44 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** Returns "5 minutes ago" or "in 3 days"; under a minute, "now". */
export function relative(at, style = "long") {
  const seconds = (new Date(at).getTime() - Math.max(now.value, lastKnown(at))) / 1000;
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) {
      return formatter(Intl.RelativeTimeFormat, { numeric: "auto", style }).format(Math.trunc(seconds / length), unit);
    }
  }
  return t("time.now");
}

// The clock signal may lag up to its interval behind; what just happened must not read as the future.
function lastKnown(at) {
  const time = new Date(at).getTime();
  return time > now.value && time <= Date.now() ? time : now.value;
}

/** Returns a number of days as "67 days", "5 months" or "3 years": days as long as people count in days. */
export function days(n) {
  const [unit, value] = n < 120 ? ["day", n] : n < 730 ? ["month", n / 30.44] : ["year", n / 365.25];
  const rounded = value < 1 ? Math.round(value * 10) / 10 : Math.round(value);
  return number(rounded, { style: "unit", unit, unitDisplay: "long" });
}

export function duration(seconds) {
  if (seconds < 90) return number(Math.round(seconds), { style: "unit", unit: "second" });
  if (seconds < 5_400) return number(Math.round(seconds / 60), { style: "unit", unit: "minute" });
  if (seconds < 129_600) return number(Math.round(seconds / 360) / 10, { style: "unit", unit: "hour" });
  return days(seconds / 86_400);
}
