// Events that could not be read or decided: browse by state and reason, replay a whole kind once its cause is mended.
import { Dialog } from "../component/dialog.mjs";
import { DiscardDialog } from "../component/discard_dialog.mjs";
import { Empty, Failed, More, Waiting } from "../component/empty.mjs";
import { When } from "../component/when.mjs";
import { problemText } from "../lib/actions.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded, usePages } from "../lib/load.mjs";
import { told } from "../lib/reason.mjs";
import { link, route, setQuery } from "../lib/route.mjs";
import { number, t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";

const STATUSES = ["open", "replayed", "discarded"];
const PAGE_SIZE = 50;
const MOST_AT_ONCE = 200;

export function DeadLettersPage() {
  const { query } = route.value;
  const status = STATUSES.includes(query.get("status")) ? query.get("status") : "open";
  const [stage, reason] = [query.get("stage"), query.get("reason")];
  const pages = usePages((cursor) => api.deadLetters({ status, stage, reason, cursor, limit: PAGE_SIZE }), [status, stage, reason], `${status} ${stage} ${reason}`);
  const counts = useLoaded(() => api.deadLetterCounts(), []);
  const [isAsking, setAsking] = useState(false);
  const [isDiscarding, setDiscarding] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const n_open = Math.max(pages.items.length, nOfKind(counts.data?.items ?? [], stage, reason ?? ""));
  const toAll = async (act, done) => {
    setBusy(true);
    try {
      tell(t(done, { n: await throughKind({ status, stage, reason }, act) }));
    } finally {
      setBusy(false);
      pages.reload();
      counts.reload();
    }
  };
  const replay = async () => {
    setAsking(false);
    try {
      await toAll(async (ids) => (await api.replayMany(ids)).n_replayed, "dead.done.many");
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  const discard = (why) => toAll(async (ids) => (await api.discardMany(ids, why)).n_discarded, "dead.discard.done.many");
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.dead-letters")}</h1><span class="spacer" />
      ${status === "open" && reason && pages.items.length > 0 && may("dead_letters:write") &&
        html`<button class="button" type="button" disabled=${isBusy} onClick=${() => setAsking(true)}>${t("dead.replay.many", { n: n_open })}</button>
          <button class="button" type="button" disabled=${isBusy} onClick=${() => setDiscarding(true)}>${t("dead.discard.many", { n: n_open })}</button>`}</header>
    <p class="lead">${t("dead.lead")}</p>
    <div class="filters open"><div class="segments" role="group" aria-label=${t("dead.filter.status")}>
      ${STATUSES.map((one) => html`<button type="button" key=${one} aria-pressed=${status === one}
          onClick=${() => setQuery({ status: one === "open" ? "" : one, stage: "", reason: "" })}>${t(`dead.status.${one}`)}</button>`)}
    </div>
    ${status === "open" && (counts.data?.items ?? []).map((count) => {
      const isOn = count.stage === stage && count.reason === reason;
      return html`<button class="button small filter" type="button" key=${`${count.stage}/${count.reason}`} aria-pressed=${isOn}
        onClick=${() => setQuery(isOn ? { stage: "", reason: "" } : { stage: count.stage, reason: count.reason })}><b>${number(count.n)}</b><span dir="auto" title=${count.reason}>${told(count.reason).text}</span></button>`;
    })}</div>
    ${pages.problem ? html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`
      : pages.items.length ? html`<${Table} items=${pages.items} />`
      : pages.isLoading ? html`<${Waiting} />`
      : html`<${Empty} icon="dead-letters" title=${t("dead.empty")} hint=${t(status === "open" ? "dead.empty.hint" : "dead.empty.other")} />`}
    <${More} pages=${pages} />
    ${isAsking && html`<${Dialog} title=${t("dead.replay.many", { n: n_open })} hint=${t("dead.replay.sure")} onClose=${() => setAsking(false)}>
      <footer><button class="button" type="button" onClick=${() => setAsking(false)}>${t("cancel")}</button>
        <button class="button primary" type="button" autofocus onClick=${replay}>${t("dead.replay")}</button></footer></${Dialog}>`}
    ${isDiscarding && html`<${DiscardDialog} title=${t("dead.discard.many", { n: n_open })} onClose=${() => setDiscarding(false)} discard=${discard} />`}
  </section>`;
}

/** Returns how many open letters the list of a kind holds, by the counts; the list takes any part of a reason. */
function nOfKind(counts, stage, reason) {
  const isOfKind = (count) => (!stage || count.stage === stage) && count.reason.toLowerCase().includes(reason.toLowerCase());
  return counts.filter(isOfKind).reduce((n, count) => n + count.n, 0);
}

/** Does `act(ids)` to all letters of a kind, newest first, in pages as large as the API gives, and returns the sum of its answers. */
async function throughKind(kind, act) {
  let n = 0;
  let cursor = null;
  do {
    // What comes meanwhile, or fails again, is newer than the cursor: this ends.
    const page = await api.deadLetters({ ...kind, cursor, limit: MOST_AT_ONCE });
    if (page.items.length) n += await act(page.items.map(({ id }) => id));
    cursor = page.next_cursor;
  } while (cursor);
  return n;
}

function Table({ items }) {
  return html`<div class="table-box"><table class="data">
    <caption class="sr">${t("nav.dead-letters")}</caption>
    <thead><tr><th scope="col">${t("dead.reason")}</th><th scope="col">${t("dead.stage")}</th><th scope="col">${t("dead.where")}</th><th scope="col">${t("dead.seen")}</th></tr></thead>
    <tbody>${items.map((letter) => html`<tr key=${letter.id}>
      <td><a class="who" href=${link("dead-letters", letter.id)}><b dir="auto">${told(letter.reason).text}</b></a>
        <small class="snippet mono" dir="auto">${[told(letter.reason).detail, letter.pointer && t("dead.pointer", { pointer: letter.pointer })].filter(Boolean).join(" · ")}</small></td>
      <td data-label=${t("dead.stage")}>${term("stage", letter.stage)}</td>
      <td data-label=${t("dead.where")} class="mono small">${letter.topic}/${letter.partition}/${letter.offset}</td>
      <td data-label=${t("dead.seen")}><${When} at=${letter.first_seen_at} /></td>
    </tr>`)}</tbody></table></div>`;
}
