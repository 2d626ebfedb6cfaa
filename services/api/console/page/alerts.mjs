// The live list of alerts: who is leaving, why and what it costs, at a glance and by keyboard.
import { DIALOGS } from "../component/action_dialogs.mjs";
import { AlertRow } from "../component/alert_row.mjs";
import { Empty, Failed, Waiting } from "../component/empty.mjs";
import { HelpDialog } from "../component/help.mjs";
import { Icon } from "../component/icon.mjs";
import { Filters, viewOf } from "../component/filters.mjs";
import { Connection } from "../component/shell.mjs";
import { WindowList } from "../component/window_list.mjs";
import { act } from "../lib/actions.mjs";
import { MOST_ROWS, alertOf, arrivals, load, matching, pick, picked, revision } from "../lib/alerts.mjs";
import { api, may } from "../lib/api.mjs";
import { isFree, place } from "../lib/focus.mjs";
import { KEY, useKeys } from "../lib/keys.mjs";
import { later } from "../lib/later.mjs";
import { useLoaded } from "../lib/load.mjs";
import { learnName, nameOf } from "../lib/names.mjs";
import { go, link, route, setQuery } from "../lib/route.mjs";
import { money, t } from "../lib/text.mjs";
import { say } from "../lib/toast.mjs";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../lib/view.mjs";

const Guide = later(() => import("../component/guide.mjs"), "Guide");
const NARROW = matchMedia("(max-width: 1080px)");
const TYPING_PAUSE_MS = 150;
const PAGE_SIZE = 200;
const MOST_AT_ONCE = 500;
// Rows whose drawing is remembered: several screens; thousands of them would only be work for the garbage collector.
const MOST_KEPT = 300;
// Where the selected alert stood when it was last in the list, also while its page is open.
let stood = null;
const ROW_HEIGHT = { wide: 68, narrow: 122 };

export function AlertsPage() {
  const view = viewOf(route.value.query);
  const [progress, setProgress] = useState({ n: 0, isDone: false });
  const [problem, setProblem] = useState(null);
  const [round, setRound] = useState(0);
  const [dialog, setDialog] = useState(null);
  const [isHelp, setHelp] = useState(false);
  const [isNarrow, setNarrow] = useState(NARROW.matches);
  const [isOpenFilters, setOpenFilters] = useState(false);
  const search = useRef(null);
  const statuses = view.statuses.join();

  useEffect(() => {
    const onChange = () => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", onChange);
    return () => NARROW.removeEventListener("change", onChange);
  }, []);

  // With the first drawing, not after its paint: the answer may be here already.
  useLayoutEffect(() => {
    const abort = new AbortController();
    setProblem(null);
    setProgress({ n: 0, isDone: false });
    load(view.statuses, abort.signal, setProgress).catch((refusal) => refusal.name !== "AbortError" && setProblem(refusal));
    return () => abort.abort();
  }, [statuses, round]);

  const customers = useMeant(view.words);
  const filters = JSON.stringify(view);
  const rows = useMemo(() => matching({ ...view, customers }), [filters, customers, revision.value]);
  const ids = useMemo(() => rows.map((alert) => alert.alert_id), [rows]);
  const counted = useRef(filters);
  useEffect(() => {
    if (!progress.isDone || counted.current === filters) return;
    counted.current = filters;
    say(t("alerts.count", { n: rows.length }));
  }, [progress.isDone, filters, rows.length]);
  const selected = route.value.query.get("at");
  const index = ids.indexOf(selected);
  const select = (at) => ids.length && setQuery({ at: ids[Math.max(0, Math.min(at, ids.length - 1))] });
  const onSelected = (action) => () => {
    const alert = selected && alertOf(selected);
    // One that has left the list is not in view any more.
    if (alert && index >= 0 && may("alerts:write")) action({ ...alert, customer_name: nameOf(alert.customer_id) });
  };
  const ask = (name) => onSelected((alert) => setDialog({ name, alert }));
  const lastIndex = useRef(0);
  if (index >= 0) lastIndex.current = index;
  // An alert that was dealt with has left the list: the row in its place is the next one.
  const move = (by) => () => select(index < 0 ? lastIndex.current + Math.min(by, 0) : index + by);

  useKeys({
    j: move(1),
    ArrowDown: move(1),
    k: move(-1),
    ArrowUp: move(-1),
    Enter: () => selected && go(link("alerts", selected, Object.fromEntries(route.value.query))),
    [KEY.acknowledge]: onSelected((alert) => act(alert, "acknowledge")),
    [KEY.snooze]: ask("snooze"),
    [KEY.escalate]: ask("escalate"),
    [KEY.pick]: onSelected((alert) => pick(alert.alert_id)),
    "/": () => search.current?.focus(),
    "?": () => setHelp(true),
  });

  const Asked = dialog && DIALOGS[dialog.name];
  return html`<section class="page alerts-page" aria-labelledby="page-title">
    <header class="page-head">
      <h1 id="page-title">${t("nav.alerts")}</h1>
      <${Summary} rows=${rows} />
      <span class="spacer" />
      <span class="narrow-only"><${Connection} /></span>
      <button class="icon-button narrow-only" type="button" aria-expanded=${isOpenFilters} aria-label=${t("alerts.filters")}
        onClick=${() => setOpenFilters(!isOpenFilters)}><${Icon} name="filter" size=${18} /></button>
      <button class="button quiet wide-only" type="button" onClick=${() => setHelp(true)}><kbd>?</kbd>${t("alerts.keys")}</button>
    </header>
    <${Filters} view=${view} searchRef=${search} isOpen=${isOpenFilters} />
    ${progress.isCut && html`<p class="hint">${t("alerts.most", { n: MOST_ROWS })}</p>`}
    ${problem && !rows.length
      ? html`<${Failed} problem=${problem} retry=${() => setRound(round + 1)} />`
      : !rows.length && !progress.isDone
        ? html`<${Waiting} />`
        : !rows.length
          ? view.isFiltered
            ? html`<${Empty} icon="filter" title=${t("alerts.nomatch")} hint=${t("alerts.nomatch.hint")}>
                <a class="button" href=${link("alerts")}>${t("alerts.filter.clear")}</a></${Empty}>`
            : html`<${Nothing} />`
          : html`<${List} ids=${ids} selected=${selected} isNarrow=${isNarrow} ask=${(name, alert) => setDialog({ name, alert })} />`}
    ${Asked && html`<${Asked} alert=${dialog.alert} onClose=${() => (setDialog(null), Array.isArray(dialog.alert) && (picked.value = new Set()))} />`}
    ${isHelp && html`<${HelpDialog} onClose=${() => setHelp(false)} />`}
  </section>`;
}

/** Returns the ids of the customers that words find by name, handle or what they wrote; null until known. */
function useMeant(words) {
  const [meant, setMeant] = useState(null);
  const n_arrived = arrivals.value.length;
  useEffect(() => setMeant(null), [words]);
  // An alert that has just come may be about somebody the words mean, too.
  useEffect(() => {
    if (!words.trim()) return undefined;
    const abort = new AbortController();
    const ask = async () => {
      try {
        const { items } = await api.customers({ q: words.trim(), limit: PAGE_SIZE }, abort.signal);
        for (const { customer_id: id, name, is_demo: isDemo } of items) if (name) learnName(id, name, isDemo);
        setMeant(new Set(items.map(({ customer_id: id }) => id)));
      } catch {
        // The alerts' own words are searched all the same.
      }
    };
    const timer = setTimeout(ask, TYPING_PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [words, n_arrived]);
  return meant;
}

function Summary({ rows }) {
  const active = rows.filter((alert) => alert.status !== "resolved" && alert.status !== "expired");
  const n_critical = active.filter((alert) => alert.severity === "critical").length;
  const n_open = active.filter((alert) => alert.status === "open").length;
  const sums = new Map();
  for (const { risk, expected_loss: loss } of active) {
    const currency = risk?.currency ?? "USD";
    if (loss != null) sums.set(currency, (sums.get(currency) ?? 0) + loss);
  }
  const stake = [...sums].map(([currency, sum]) => money(sum, currency, 0)).join(" + ");
  return html`<div class="summary">
    <span>${t("alerts.count", { n: rows.length })}</span>
    ${stake && html`<span title=${t("alerts.atstake.title")}>${t("alerts.atstake")} <b>${stake}</b></span>`}
    ${n_critical > 0 && html`<span class="wide-only"><i class="dot critical" /><b>${money(n_critical, null, 0)}</b> ${t("alerts.critical")}</span>`}
    ${n_open > 0 && html`<span class="wide-only"><b>${money(n_open, null, 0)}</b> ${t("alerts.unassigned")}</span>`}
  </div>`;
}

/** An empty list means calm, or that nothing has ever come in. */
function Nothing() {
  const anybody = useLoaded(() => (may("customers:read") ? api.customers({ limit: 1 }) : Promise.resolve({ items: [null] })), []);
  if (!anybody.data && !anybody.problem) return html`<${Waiting} />`;
  if (anybody.data && !anybody.data.items.length) return html`<${Guide} />`;
  return html`<${Empty} icon="check" title=${t("alerts.empty")} hint=${t("alerts.empty.hint")} />`;
}

function BulkBar({ ids, ask }) {
  const chosen = [...picked.value].map(alertOf).filter(Boolean);
  const clear = () => (picked.value = new Set());
  const all = () => (picked.value = new Set(ids.slice(0, MOST_AT_ONCE)));
  return html`<div class="bulk-bar" role="toolbar" aria-label=${t("bulk.label")}>
    <b>${t("bulk.count", { n: chosen.length })}</b>
    <button class="button small primary" type="button" onClick=${async () => (await act(chosen, "acknowledge")) && clear()}>${t("action.acknowledge")}</button>
    ${["snooze", "escalate", "resolve"].map((name) => html`<button class="button small" type="button" key=${name} onClick=${() => ask(name, chosen)}>${t(`action.${name}`)}</button>`)}
    <span class="spacer" />
    <button class="button small quiet" type="button" onClick=${all}>${t("bulk.all", { n: Math.min(ids.length, MOST_AT_ONCE) })}</button>
    <button class="button small quiet" type="button" onClick=${clear}>${t("bulk.clear")}</button>
  </div>`;
}

function List({ ids, selected, isNarrow, ask }) {
  const [isAtTop, setAtTop] = useState(true);
  const [n_seen, setSeen] = useState(arrivals.value.length);
  const box = useRef(null);
  const n_new = isAtTop ? 0 : arrivals.value.length - n_seen;
  useEffect(() => {
    if (isAtTop) setSeen(arrivals.value.length);
  }, [isAtTop, arrivals.value]);
  const fresh = new Set(arrivals.value);
  const home = selected && ids.includes(selected) ? selected : ids[0];
  // An alert that is dealt with may leave the list: then the next one gets the focus, but is not selected, so that no key
  // acts on an alert that nobody chose.
  useLayoutEffect(() => {
    const index = ids.indexOf(selected);
    if (index >= 0) stood = { id: selected, index };
    else if (stood?.id === selected && isFree()) {
      const next = ids[Math.min(stood.index, ids.length - 1)];
      const row = [...box.current.querySelectorAll("[data-alert]")].find((one) => one.dataset.alert === next);
      if (row) place(row);
      stood = null;
    }
  });
  // The same row object means the same row to Preact: scrolling then draws only what comes into view.
  const drawn = useRef(new Map());
  if (drawn.current.size > MOST_KEPT) drawn.current.clear();
  const drawRow = (id) => {
    const look = `${id === selected}/${id === home}/${fresh.has(id)}`;
    let row = drawn.current.get(id);
    if (row?.look !== look) {
      row = { look, node: html`<${AlertRow} id=${id} isSelected=${id === selected} isTabStop=${id === home} isFresh=${fresh.has(id)} />` };
      drawn.current.set(id, row);
    }
    return row.node;
  };
  return html`<div class=${`list-box ${picked.value.size ? "picking" : ""}`} ref=${box}>
    ${picked.value.size > 0 ? html`<${BulkBar} ids=${ids} ask=${ask} />` : html`<div class="row row-head wide-only" aria-hidden="true">
      <span /><span>${t("alerts.head.customer")}</span><span>${t("alerts.head.cause")}</span>
      <span class="right">${t("alerts.head.risk")}</span><span class="right">${t("alerts.head.loss")}</span>
      <span class="right">${t("alerts.head.raised")}</span><span>${t("alerts.head.status")}</span>
    </div>`}
    ${n_new > 0 && html`<button class="new-pill" type="button" onClick=${() => (box.current.querySelector(".window").scrollTop = 0)}>
      <${Icon} name="up" size=${14} />${t("alerts.new", { n: n_new })}</button>`}
    <${WindowList} ids=${ids} rowHeight=${ROW_HEIGHT[isNarrow ? "narrow" : "wide"]} selected=${selected} label=${t("alerts.list")}
      onTop=${setAtTop}
      drawRow=${drawRow} />
  </div>`;
}
