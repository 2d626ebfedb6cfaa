// One customer from every side: rhythm, risk, mood, contacts, and the timeline of all channels.
import { AlertOpen, Demo, HeldOut, RiskState, Severity, Status, Tier } from "../component/badge.mjs";
import { Failed, More, Waiting } from "../component/empty.mjs";
import { Aspects, EngagementTable } from "../component/engagement.mjs";
import { Icon } from "../component/icon.mjs";
import { Identity } from "../component/identity.mjs";
import { MoodChart } from "../component/mood.mjs";
import { Rhythm } from "../component/rhythm.mjs";
import { Fact, RiskFacts, RiskReasons } from "../component/risk.mjs";
import { RiskCurve } from "../component/risk_curve.mjs";
import { Timeline } from "../component/timeline.mjs";
import { VolumeChart } from "../component/volume.mjs";
import { When } from "../component/when.mjs";
import { lastStep } from "../lib/alerts.mjs";
import { api } from "../lib/api.mjs";
import { useLoaded, usePages } from "../lib/load.mjs";
import { learnName } from "../lib/names.mjs";
import { link, route, setQuery } from "../lib/route.mjs";
import { date, localised, money, now, t } from "../lib/text.mjs";
import { html, useEffect, useRef } from "../lib/view.mjs";

const N_ORDERS_DRAWN = 200;
const FRESH_MS = 5_000;
const KINDS = {
  all: {},
  messages: { type: ["interaction", "inquiry"] },
  orders: { type: ["order.placed", "order.returned"] },
  negative: { type: ["interaction", "inquiry", "survey.answered"] },
};

export function CustomerPage({ id }) {
  const loaded = useLoaded(() => api.customer(id), [id]);
  const orders = useLoaded(() => api.timeline(id, { type: "order.placed", limit: N_ORDERS_DRAWN }), [id]);
  const customer = loaded.data;
  const step = lastStep.value;
  useEffect(() => {
    if (step?.customer_id === id) loaded.reload();
  }, [step]);
  useFresh(loaded.reload);
  const newest = customer?.timeline.items[0];
  const newestKey = newest && `${newest.source}/${newest.id}`;
  const drawnUpTo = useRef(null);
  useEffect(() => {
    // What came since the last look is drawn too, wherever a page shows orders or the timeline.
    if (newestKey && drawnUpTo.current && drawnUpTo.current !== newestKey) orders.reload();
    drawnUpTo.current = newestKey;
  }, [newestKey]);
  useEffect(() => {
    if (customer?.name) learnName(customer.customer_id, customer.name, customer.is_demo);
  }, [customer]);
  if (loaded.problem && !customer) return html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`;
  if (!customer) return html`<${Waiting} />`;
  const { risk, engagement } = customer;
  const drawn = (orders.data?.items ?? []).map(({ occurred_at: at, event }) => ({ at, amount: Number(event.amount), currency: event.currency ?? "USD" }));
  return html`<article class="page detail" aria-labelledby="page-title">
    <nav class="crumbs"><a href=${link("customers")}><${Icon} name="back" size=${14} />${t("nav.customers")}</a></nav>
    <header class="detail-head">
      <div class="detail-title">
        <h1 id="page-title" dir="auto">${customer.name ?? customer.customer_id}</h1>
        <${Tier} tier=${customer.tier} /><${RiskState} state=${customer.risk_state} />
        ${customer.open_alerts.length > 0 && html`<${AlertOpen} />`}
        ${customer.is_demo && html`<${Demo} />`}
        <${HeldOut} of=${customer} />
      </div>
      <p class="hint"><span class="mono">${customer.customer_id}</span> · ${t("customer.since", { date: date(customer.first_seen_at) })}
        ${customer.merged_from.length > 0 && html` · ${t("customer.merged", { n: customer.merged_from.length })}`}</p>
      ${customer.is_held_out && html`<p class="hint">${t("alert.heldout.hint")}</p>`}
    </header>
    <div class="columns">
      <div class="column">
        <section class="card"><h2>${t("customer.rhythm")}</h2>
          ${orders.data && drawn.length
            ? html`<p class="hint">${t("customer.rhythm.hint")}</p>
                <${Rhythm} orders=${drawn} risk=${risk} lastPurchaseAt=${customer.last_purchase_at} nowMs=${now.value}
                  n_purchases=${Math.max(customer.n_purchases, drawn.length)} isPartial=${orders.data.next_cursor != null} />`
            : orders.data ? html`<p class="hint">${t("customer.rhythm.none")}</p>` : html`<${Waiting} />`}
        </section>
        <${RiskCurve} id=${customer.customer_id} risk=${risk} nowMs=${now.value} />
        <section class="card"><h2>${t("customer.mood")}</h2>
          ${customer.sentiment_by_week.length
            ? html`<p class="hint">${t("customer.mood.hint")}</p><${MoodChart} weeks=${customer.sentiment_by_week} nowMs=${now.value} />
                <h3 class="chart-title">${t("customer.volume")}</h3><${VolumeChart} weeks=${customer.sentiment_by_week} nowMs=${now.value} />`
            : html`<p class="hint">${t("customer.mood.none")}</p>`}
        </section>
      </div>
      <div class="column narrow">
        <section class="card" aria-label=${t("alert.risk")}>
          ${risk ? html`<dl class="facts"><${RiskFacts} risk=${risk} /></dl>` : html`<p class="hint">${t(customer.risk_state === "lost" ? "risk.lost" : "risk.none")}</p>`}
          <dl class="facts">
            ${customer.orders.map((total) => html`<${Fact} key=${total.currency} label=${t("customer.lifetime")} value=${money(Number(total.amount_placed), total.currency)}
              note=${`${t("customer.orders", { n: total.n_placed })}${total.n_returned ? ` · ${t("customer.returns", { n: total.n_returned })}` : ""}`} />`)}
          </dl>
        </section>
        <${Identity} customer=${customer} onChange=${loaded.reload} />
        <section class="card"><h2>${t("customer.alerts")}</h2>
          ${customer.open_alerts.length
            ? html`<ul class="mini-alerts">${customer.open_alerts.map((alert) => html`<li key=${alert.alert_id}><a href=${link("alerts", alert.alert_id)}>
                <span><${Severity} severity=${alert.severity} /> <${Status} status=${alert.status} /></span>
                <span dir="auto">${localised(alert, "summary")}</span><small><${When} at=${alert.raised_at} /></small></a></li>`)}</ul>`
            : html`<p class="hint">${t("customer.alerts.none")}</p>`}
        </section>
        ${risk && html`<${RiskReasons} risk=${risk} />`}
        <section class="card"><h2>${t("customer.engagement")}</h2>
          ${engagement ? html`<${EngagementTable} engagement=${engagement} />` : html`<p class="hint">${t("customer.engagement.none")}</p>`}
        </section>
        <section class="card"><h2>${t("customer.aspects")}</h2><${Aspects} counts=${engagement?.complaints_by_aspect} /></section>
      </div>
      <${Story} id=${id} newest=${newestKey} />
    </div>
  </article>`;
}

/** Asks again every few seconds while the page is looked at: messages and orders have no stream of their own. */
function useFresh(reload) {
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), FRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
}

function Story({ id, newest }) {
  const kind = KINDS[route.value.query.get("show")] ? route.value.query.get("show") : "all";
  const pages = usePages((cursor) => api.timeline(id, { ...KINDS[kind], cursor, limit: 50 }), [id, kind, newest], kind);
  const items = kind === "negative" ? pages.items.filter((item) => item.sentiment_label === "negative") : pages.items;
  return html`<section class="card"><div class="card-head"><h2>${t("customer.timeline")}</h2><span class="spacer" />
      <div class="segments small" role="group" aria-label=${t("customer.timeline.filter")}>
        ${Object.keys(KINDS).map((one) => html`<button type="button" key=${one} aria-pressed=${kind === one}
            onClick=${() => setQuery({ show: one === "all" ? "" : one })}>${t(`customer.timeline.${one}`)}</button>`)}
      </div></div>
    ${pages.problem && html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`}
    ${items.length > 0 && html`<${Timeline} items=${items} />`}
    ${!items.length && (pages.isLoading ? html`<${Waiting} />` : html`<p class="hint">${t("customer.timeline.none")}</p>`)}
    <${More} pages=${pages} />
  </section>`;
}
