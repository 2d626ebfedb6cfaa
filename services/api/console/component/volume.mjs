// How much a customer writes a week, and how much of it is negative: silence and trouble both show.
import { number, shortDate, t } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Chart, roundTicks } from "./chart.mjs";

const WEEK_MS = 7 * 86_400_000;
const MOST_WEEKS = 53;
const FEWEST_WEEKS = 8;
const N_LABELS = 5;

/** `weeks` are `{week_start, n, n_negative}`; the drawing ends with the present week. */
export function VolumeChart({ weeks, nowMs }) {
  const known = weeks.map((week) => ({ ...week, at: Date.parse(week.week_start) }));
  const end = Math.max(nowMs, ...known.map(({ at }) => at + WEEK_MS));
  const low = Math.max(Math.min(...known.map(({ at }) => at), end - FEWEST_WEEKS * WEEK_MS), end - MOST_WEEKS * WEEK_MS);
  const shown = known.filter(({ at }) => at >= low);
  const ticks = roundTicks(Math.max(...shown.map(({ n }) => n), 1));
  const total = shown.reduce((sum, { n }) => sum + n, 0);
  const negative = shown.reduce((sum, { n_negative: n }) => sum + n, 0);
  const summary = t("customer.volume.summary", { n: total, negative, since: shortDate(low) });
  const bar = (kind, count) => (week) => ({ kind, from: week.at, to: week.at + WEEK_MS, y: count(week),
    title: t("customer.volume.week", { date: shortDate(week.at), n: week.n, negative: week.n_negative }) });
  return html`<${Chart} label=${summary} height=${110}
      x=${{ low, high: end, ticks: Array.from({ length: N_LABELS }, (_, index) => low + ((index + 0.5) / N_LABELS) * (end - low)).map((at) => [at, shortDate(at)]) }}
      y=${{ low: 0, high: ticks.at(-1), ticks: [[0, "0"], [ticks.at(-1), number(ticks.at(-1))]] }}
      bars=${[...shown.map(bar("quiet", ({ n }) => n)), ...shown.map(bar("bad", ({ n_negative: n }) => n))]} />
    <p class="chart-words">${summary}</p>`;
}
