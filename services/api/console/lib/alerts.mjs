// The alerts this page knows, kept fresh by the live stream; pages read them, nobody else writes them.
import { api } from "./api.mjs";
import { ACTIVE, FIRST_PAGE } from "./first.mjs";
import { learnName, learnNameless } from "./names.mjs";
import { openStream } from "./stream.mjs";
import { signal } from "./view.mjs";

export const SEVERITIES = ["critical", "high", "medium", "low"];
export { ACTIVE };
export const STATUSES = [...ACTIVE, "resolved", "expired"];
const RANK = { critical: 3, high: 2, medium: 1, low: 0 };
const PAGE_SIZE = 200;
export const MOST_ROWS = 5_000;

// A signal for each alert, so that a change draws its own row again and no other.
const known = new Map();
/** Moves whenever any known alert changed; read it to be drawn again. */
export const revision = signal(0);
/** Newest step of an alert's life that arrived live: `{id, type, alert_id, actor, alert, ...}`. */
export const lastStep = signal(null);
/** Ids of alerts raised while this page was watching. */
export const arrivals = signal([]);

/** Ids of alerts picked to be acted on together. */
export const picked = signal(new Set());

export function pick(id, isPicked = !picked.value.has(id)) {
  const next = new Set(picked.value);
  if (isPicked) next.add(id);
  else next.delete(id);
  picked.value = next;
}

let stream = null;
let drawPending = false;

function changed() {
  if (drawPending) return;
  drawPending = true;
  // One drawing a frame however many alerts arrive in it; a hidden page has no frames, so a timer stands in.
  if (document.hidden) setTimeout(draw, 50);
  else requestAnimationFrame(draw);
}

function draw() {
  if (!drawPending) return;
  drawPending = false;
  revision.value += 1;
}

/** Returns the alert as it is known now; whoever draws with it is drawn again when it changes. */
export function alertOf(id) {
  const alert = known.get(id);
  // One that is not known yet may come with any change.
  if (!alert) revision.value;
  return alert?.value;
}

/** Takes an alert in unless a newer version of it is known already. */
export function learn(alert) {
  const before = known.get(alert.alert_id)?.peek();
  if (before && before.version >= alert.version) return before;
  // Times are compared thousands of times; their texts do not sort, because whole seconds leave the fraction out.
  const merged = { ...before, ...alert, raised_ms: Date.parse(alert.raised_at) };
  if (alert.customer_name) learnName(alert.customer_id, alert.customer_name, alert.is_demo);
  if (before) known.get(alert.alert_id).value = merged;
  else known.set(alert.alert_id, signal(merged));
  changed();
  return merged;
}

/** Returns the known alerts that fit the view, in its order; `view.customers` are ids its words were found to mean. */
export function matching(view) {
  revision.value;
  const words = view.words.toLowerCase();
  const rows = [];
  for (const one of known.values()) if (fits(one.peek(), view, words)) rows.push(one.peek());
  return rows.sort(ORDER[view.order] ?? ORDER.newest);
}

function fits(alert, view, words) {
  if (alert.is_historical) return false;
  if (view.statuses.length && !view.statuses.includes(alert.status)) return false;
  if (view.severities.length && !view.severities.includes(alert.severity)) return false;
  if (view.causes.length && !view.causes.includes(alert.cause)) return false;
  if (view.tiers.length && !view.tiers.includes(alert.tier)) return false;
  if (view.assignee === "none" ? alert.assignee : view.assignee && alert.assignee !== view.assignee) return false;
  if (!words || view.customers?.has(alert.customer_id)) return true;
  return `${alert.customer_id} ${alert.summary_en} ${alert.summary_zh}`.toLowerCase().includes(words);
}

const byTime = (a, b) => b.raised_ms - a.raised_ms || (a.alert_id < b.alert_id ? 1 : -1);
const ORDER = {
  newest: byTime,
  loss: (a, b) => (b.expected_loss ?? -1) - (a.expected_loss ?? -1) || byTime(a, b),
  severity: (a, b) => RANK[b.severity] - RANK[a.severity] || (b.expected_loss ?? -1) - (a.expected_loss ?? -1) || byTime(a, b),
};

/** Loads all alerts of the given statuses, page by page, newest first; the first page also starts the stream. */
export async function load(statuses, abort, onPage) {
  let cursor = null;
  let n = 0;
  do {
    const page = await api.alerts({ status: statuses, limit: cursor ? PAGE_SIZE : FIRST_PAGE, cursor }, abort);
    for (const alert of page.items) {
      learn(alert);
      // A list says the name where there is one; steps of the stream do not.
      if (!alert.customer_name) learnNameless(alert.customer_id);
    }
    follow(page.last_event_id);
    n += page.items.length;
    cursor = page.next_cursor;
    // With what is said of the page: a list that is told to be whole while its rows wait for the next frame looks empty.
    draw();
    onPage({ n, isDone: !cursor || n >= MOST_ROWS, isCut: Boolean(cursor) && n >= MOST_ROWS });
  } while (cursor && n < MOST_ROWS);
}

/** Starts the live stream for pages that list no alerts themselves. */
export async function watch() {
  if (!stream) follow((await api.alerts({ limit: 1 })).last_event_id);
}

/** Starts the live stream unless it runs. */
export function follow(lastEventId) {
  if (stream) return;
  stream = openStream("/v1/alerts/stream", lastEventId, {
    onEvent(name, step) {
      if (!step.alert) return;
      const isNew = !known.has(step.alert_id);
      learn(step.alert);
      if (step.type === "alert.raised" && isNew) arrivals.value = [...arrivals.value.slice(-199), step.alert_id];
      lastStep.value = step;
    },
    async onGap(resumeAt) {
      const page = await api.alerts({ status: ACTIVE, limit: PAGE_SIZE });
      for (const alert of page.items) learn(alert);
      resumeAt(page.last_event_id);
    },
  });
}

export function unfollow() {
  stream?.close();
  stream = null;
  known.clear();
  arrivals.value = [];
  picked.value = new Set();
  lastStep.value = null;
  revision.value += 1;
}
