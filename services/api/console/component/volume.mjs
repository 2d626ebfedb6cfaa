// How much a customer writes a week, and how much of it is negative: silence and trouble both show.
import { number, utcDate, t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Chart, roundTicks } from "./chart.mjs";

export const WEEK_MS = 7 * 86_400_000;
const MOST_WEEKS = 53;
const FEWEST_WEEKS = 8;
const N_LABELS = 8;

/** Returns the weeks to draw, with `at`, and the span they are drawn in: it ends with the present week, empty or not. */
export function weekWindow(weeks, nowMs) {
  const known = weeks.map((week) => ({ ...week, at: Date.parse(week.week_start) }));
  const first = Math.min(...known.map(({ at }) => at));
  const n_past = Math.max(0, Math.floor((nowMs - first) / WEEK_MS));
  const end = Math.max(first + (n_past + 1) * WEEK_MS, ...known.map(({ at }) => at + WEEK_MS));
  const low = Math.max(Math.min(first, end - FEWEST_WEEKS * WEEK_MS), end - MOST_WEEKS * WEEK_MS);
  const n_weeks = Math.round((end - low) / WEEK_MS);
  const step = Math.ceil(n_weeks / N_LABELS);
  // Labels stand under the middle of the week they name.
  const labels = Array.from({ length: Math.ceil(n_weeks / step) }, (_, index) => low + index * step * WEEK_MS).map((at) => [at + WEEK_MS / 2, utcDate(at)]);
  return { shown: known.filter(({ at }) => at >= low), low, end, labels };
}

/** `weeks` are `{week_start, n, n_negative}`; the drawing ends with the present week. */
export function VolumeChart({ weeks, nowMs }) {
  const { shown, low, end, labels } = weekWindow(weeks, nowMs);
  const ticks = roundTicks(Math.max(...shown.map(({ n }) => n), 1));
  const total = shown.reduce((sum, { n }) => sum + n, 0);
  const negative = shown.reduce((sum, { n_negative: n }) => sum + n, 0);
  const summary = t("customer.volume.summary", { n: total, negative, since: utcDate(low) });
  const bar = (kind, count) => (week) => ({ kind, from: week.at, to: week.at + WEEK_MS, y: count(week),
    title: t("customer.volume.week", { date: utcDate(week.at), n: week.n, negative: week.n_negative }) });
  return html`<${Chart} label=${summary} height=${110}
      x=${{ low, high: end, ticks: labels }}
      y=${{ low: 0, high: ticks.at(-1), ticks: [[0, "0"], [ticks.at(-1), number(ticks.at(-1))]] }}
      bars=${[...shown.map(bar("quiet", ({ n }) => n)), ...shown.map(bar("bad", ({ n_negative: n }) => n))]} />
    <p class="chart-words">${summary}</p>`;
}
