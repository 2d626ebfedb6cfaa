// A customer's events, newest first, of every channel. What a customer wrote is drawn as text and nothing else.
import { api, may } from "../lib/api.mjs";
import { problemText } from "../lib/actions.mjs";
import { duration, money, number, shortDate, t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";
import { Mood } from "./badge.mjs";
import { Icon } from "./icon.mjs";
import { When } from "./when.mjs";

const LONG_TEXT = 420;
const ICONS = [["order", "order"], ["payment", "payment"], ["survey", "survey"], ["ticket", "ticket"], ["customer", "user"], ["consultation", "check"]];

const iconOf = ({ type, channel }) => ICONS.find(([stem]) => type.startsWith(stem))?.[1] ?? channel ?? "chat";

export function Timeline({ items }) {
  return html`<ol class="timeline">${items.map((item) => html`<${Item} key=${`${item.source}/${item.id}`} item=${item} />`)}</ol>`;
}

function Item({ item }) {
  const [corrected, setCorrected] = useState(null);
  const mood = item.direction === "outbound" ? null : (corrected ?? item.sentiment_label);
  const heading = item.type === "interaction" && item.channel ? term("channel", item.channel) : term("type", item.type);
  return html`<li class=${`event ${item.direction ?? ""} ${item.sentiment_label ?? ""}`}>
    <span class="event-icon"><${Icon} name=${iconOf(item)} size=${15} /></span>
    <div class="event-body">
      <div class="event-head">
        <b>${heading}</b>
        ${item.direction && html`<span class="hint">${term("direction", item.direction)}</span>`}
        ${mood && (may("labels:write") ? html`<${Correction} item=${item} label=${mood} onDone=${setCorrected} />` : html`<${Mood} label=${mood} />`)}
        ${item.is_complaint && html`<span class="badge complaint">${t("customer.complaint")}</span>`}
        ${aspectsOf(item).map((aspect) => html`<span class="chip" key=${aspect}>${term("aspect", aspect)}</span>`)}
        <span class="spacer" />
        <span class="hint event-when"><${When} at=${item.occurred_at} /> <span class="event-date">${shortDate(item.occurred_at)}</span></span>
      </div>
      <${Facts} item=${item} />
      ${item.subject && html`<p class="event-subject" dir="auto">${item.subject}</p>`}
      ${item.text && html`<${Words} text=${item.text} />`}
    </div>
  </li>`;
}

const aspectsOf = (item) => (item.sentiment?.aspects ?? []).map(({ aspect }) => aspect);

function Words({ text }) {
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > LONG_TEXT;
  const shown = isLong && !isOpen ? `${[...text.slice(0, LONG_TEXT)].join("")}…` : text;
  return html`<p class="event-text" dir="auto">${shown}</p>
    ${isLong && !isOpen && html`<button class="link" type="button" onClick=${() => setOpen(true)}>${t("customer.showall")}</button>`}`;
}

function Facts({ item }) {
  const { event } = item;
  const facts = [];
  if (event.amount != null) facts.push(html`<b>${money(Number(event.amount), event.currency ?? "USD", 2)}</b>`);
  if (event.order_id) facts.push(t("customer.order", { id: event.order_id }));
  if (event.invoice_id) facts.push(t("customer.invoice", { id: event.invoice_id }));
  if (event.ticket_id) facts.push(t("customer.ticket", { id: event.ticket_id }));
  if (event.kind && event.score != null) {
    facts.push(t("customer.survey", { kind: event.kind.toUpperCase(), score: event.score, max: event.scale_max }));
  }
  if (event.product) facts.push(event.product);
  if (event.category) facts.push(event.category);
  if (event.call?.duration_s != null) facts.push(t("customer.call", { duration: duration(event.call.duration_s) }));
  for (const { sku, quantity } of (event.items ?? []).slice(0, 4)) facts.push(`${number(quantity ?? 1)} × ${sku}`);
  if (!facts.length) return null;
  return html`<p class="event-facts">${facts.map((fact, index) => html`<span key=${index} dir="auto">${fact}</span>`)}</p>`;
}

const LABELS = ["negative", "neutral", "positive"];

function Correction({ item, label: present, onDone }) {
  const [isOpen, setOpen] = useState(false);
  const correct = async (label) => {
    setOpen(false);
    try {
      await api.label(item.source, item.id, label);
      onDone(label);
      tell(t("customer.label.done"));
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  return html`<span class="correction">
    <button class=${`badge mood ${present}`} type="button" aria-expanded=${isOpen} title=${t("customer.label")}
      aria-label=${t("customer.label.of", { label: term("sentiment", present) })} onClick=${() => setOpen(!isOpen)}>${term("sentiment", present)}<${Icon} name="edit" size=${11} /></button>
    ${isOpen && LABELS.filter((label) => label !== present).map((label) => html`<button class="button small" type="button"
        key=${label} onClick=${() => correct(label)}>${t("customer.label.as", { label: term("sentiment", label).toLowerCase() })}</button>`)}
  </span>`;
}
