// The purchase rhythm drawn: past orders as dots on a time line, the silence since the last, the next one expected.
import { date, days, money, monthYear, shortDate, t } from "../lib/text.mjs";
import { html, useEffect, useRef, useState } from "../lib/view.mjs";

const HEIGHT = 132;
const BASE = 88;
const SIDE = 14;
const DAY_MS = 86_400_000;
const LARGEST_DOT = 9;
const SMALLEST_DOT = 3;

/** `orders` are `{at, amount, currency}`, any order; `risk` may be null. */
export function Rhythm({ orders, risk, lastPurchaseAt, nowMs, n_purchases, isPartial }) {
  const [box, width] = useWidth();
  const last = lastPurchaseAt ? Date.parse(lastPurchaseAt) : Math.max(...orders.map(({ at }) => Date.parse(at)));
  const expected = risk?.expected_next_at ? Date.parse(risk.expected_next_at) : null;
  const times = orders.map(({ at }) => Date.parse(at));
  const start = Math.min(last, ...times);
  const end = Math.max(nowMs, expected ?? 0) + Math.max(DAY_MS, (nowMs - start) * 0.03);
  const x = (at) => SIDE + ((at - start) / (end - start)) * (width - 2 * SIDE);
  const largest = Math.max(...orders.map(({ amount }) => amount), 1e-9);
  const summary = risk?.usual_gap_days != null && expected
    ? t("customer.rhythm.summary", { n: n_purchases, last: date(last), usual: days(risk.usual_gap_days), next: date(expected) })
    : t("customer.rhythm.summary.short", { n: n_purchases, last: date(last) });
  // Whole days, as the risk counts them beside it.
  const silence = Math.floor((nowMs - last) / DAY_MS);
  const silenceWidth = x(nowMs) - x(last);
  // The label stands clear of the line of the expected purchase, on the wider side of it.
  const cut = expected && expected > last && expected < nowMs ? x(expected) : x(last);
  const [labelFrom, labelTo] = cut - x(last) > x(nowMs) - cut ? [x(last), cut] : [cut, x(nowMs)];
  const [labelRoom, labelAt] = [labelTo - labelFrom, (labelFrom + labelTo) / 2];
  return html`<figure class="rhythm">
    <div ref=${box}>
      <svg width=${width} height=${HEIGHT} viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${summary}>
        ${ticks(start, end, width).map((at) => html`<g class="tick" key=${at}>
          <line x1=${x(at)} x2=${x(at)} y1="22" y2=${BASE + 8} /><text x=${x(at)} y=${HEIGHT - 8} text-anchor="middle">${end - start > 300 * DAY_MS ? monthYear(at) : shortDate(at)}</text></g>`)}
        <rect class="silence" x=${x(last)} y="22" width=${Math.max(0, silenceWidth)} height=${BASE - 22} />
        ${labelRoom > 104 && html`<text class="silence-text" x=${labelAt} y="40" text-anchor="middle">${t("customer.rhythm.silence", { days: days(silence) })}</text>`}
        <line class="axis" x1=${SIDE} x2=${width - SIDE} y1=${BASE} y2=${BASE} />
        ${expected && html`<g class="expected"><line x1=${x(expected)} x2=${x(expected)} y1="22" y2=${BASE + 8} />
          <text x=${clamp(x(expected), 34, width - 34)} y="14" text-anchor="middle">${t("customer.rhythm.expected")}</text></g>`}
        <g class="today"><line x1=${x(nowMs)} x2=${x(nowMs)} y1="22" y2=${BASE + 8} />
          ${(!expected || Math.abs(x(expected) - x(nowMs)) > 74) && html`<text x=${clamp(x(nowMs), 24, width - 24)} y="14" text-anchor="middle">${t("customer.rhythm.today")}</text>`}</g>
        ${orders.map(({ at, amount, currency }, index) => html`<circle key=${index} class="order" cx=${x(Date.parse(at))} cy=${BASE}
            r=${SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * Math.sqrt(Math.max(0, amount) / largest)}>
          <title>${t("customer.rhythm.order", { date: date(at), amount: money(amount, currency, 2) })}</title></circle>`)}
      </svg>
    </div>
    <figcaption>${summary} ${isPartial && t("customer.rhythm.partial")}</figcaption>
  </figure>`;
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** Returns first days of months, evenly thinned so that their labels do not touch. */
function ticks(start, end, width) {
  const all = [];
  const at = new Date(start);
  at.setHours(0, 0, 0, 0);
  at.setDate(1);
  for (at.setMonth(at.getMonth() + 1); at.getTime() < end; at.setMonth(at.getMonth() + 1)) all.push(at.getTime());
  const every = Math.max(1, Math.ceil(all.length / Math.max(2, Math.floor(width / 92))));
  return all.filter((_, index) => index % every === 0 && all[index] - start > (end - start) * 0.03);
}

/** Returns `[ref, width]` of an element, following its size. */
export function useWidth() {
  const element = useRef(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(240, Math.floor(entry.contentRect.width))));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}
