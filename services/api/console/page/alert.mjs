// One alert: why in a sentence, what proves it, what to do, and who has done what so far.
import { DIALOGS } from "../component/action_dialogs.mjs";
import { Bars } from "../component/bars.mjs";
import { Demo, HeldOut, Severity, Status, Tier } from "../component/badge.mjs";
import { Failed, Waiting } from "../component/empty.mjs";
import { HelpDialog } from "../component/help.mjs";
import { Icon } from "../component/icon.mjs";
import { Life } from "../component/life.mjs";
import { Playbook } from "../component/playbook.mjs";
import { Present } from "../component/present.mjs";
import { PromiseBadge } from "../component/promise.mjs";
import { Fact, RiskFacts, RiskReasons } from "../component/risk.mjs";
import { Timeline } from "../component/timeline.mjs";
import { When } from "../component/when.mjs";
import { act } from "../lib/actions.mjs";
import { alertOf, follow, lastStep, learn } from "../lib/alerts.mjs";
import { api, may, session } from "../lib/api.mjs";
import { KEY, useKeys } from "../lib/keys.mjs";
import { useLoaded } from "../lib/load.mjs";
import { isDemo, nameOf } from "../lib/names.mjs";
import { go, link, route } from "../lib/route.mjs";
import { chance, dateTime, localised, number, sentence, t, term } from "../lib/text.mjs";
import { html, useEffect, useState } from "../lib/view.mjs";

const EVIDENCE_PAGE = 200;

export function AlertPage({ id }) {
  const life = useLoaded(() => api.alertEvents(id), [id]);
  const first = useLoaded(async () => learn(await api.alert(id)), [id]);
  const alert = alertOf(id) ?? first.data;
  const [dialog, setDialog] = useState(null);
  const [by, setBy] = useState(null);

  useEffect(() => {
    if (life.data) follow(life.data.last_event_id);
  }, [life.data]);
  const step = lastStep.value;
  useEffect(() => {
    if (step?.alert_id !== id) return;
    life.reload();
    if (step.actor && step.actor !== session.value?.name) setBy(step.actor);
  }, [step]);

  const query = Object.fromEntries(route.value.query);
  const back = link("alerts", null, { ...query, at: id });
  const canAct = may("alerts:write");
  const ask = (name) => () => alert && canAct && setDialog(name);
  useKeys({
    [KEY.acknowledge]: () => alert && canAct && act(withName(alert), "acknowledge"),
    [KEY.snooze]: ask("snooze"),
    [KEY.escalate]: ask("escalate"),
    [KEY.resolve]: ask("resolve"),
    [KEY.back]: () => go(back),
    Escape: () => go(back),
    "?": () => setDialog("help"),
  });

  if (first.problem && !alert) return html`<${Failed} problem=${first.problem} retry=${first.reload} />`;
  if (!alert) return html`<${Waiting} />`;
  const name = nameOf(alert.customer_id);
  const owner = alert.assignee ?? alert.acknowledged_by;
  const Asked = dialog && dialog !== "help" && DIALOGS[dialog];
  return html`<article class="page detail" aria-labelledby="page-title">
    <nav class="crumbs"><a href=${back}><${Icon} name="back" size=${14} />${t("nav.alerts")}</a></nav>
    <header class="detail-head">
      <div class="detail-title">
        <h1 id="page-title" dir="auto">${name ?? alert.customer_id}</h1>
        <${Tier} tier=${alert.tier} />
        <${Severity} severity=${alert.severity} />
        ${isDemo(alert.customer_id) && html`<${Demo} />`}
        <${HeldOut} of=${alert} />
        <${Status} status=${alert.status} />
        <${PromiseBadge} alert=${alert} />
        ${alert.status === "snoozed" && alert.snoozed_until && html`<span class="hint">${t("alert.snoozed", { until: dateTime(alert.snoozed_until) })}</span>`}
        ${alert.escalation_level > 0 && html`<span class="level">${t("alert.escalated", { level: alert.escalation_level })}</span>`}
      </div>
      <p class="why" dir="auto">${localised(alert, "summary")}</p>
      ${alert.is_held_out && html`<p class="hint">${t("alert.heldout.hint")}</p>`}
      <p class="hint">${t("alert.raised")} <${When} at=${alert.raised_at} />
        ${owner && html` · ${t("alert.owner")} <b dir="auto">${owner}</b>`}
        ${alert.is_historical && html` · ${t("alert.historical")}`}
        ${by && html` · <span class="by" role="status">${t("alert.others", { who: by })}</span>`}</p>
      <${Present} alertId=${id} />
      ${canAct && html`<${Actions} alert=${withName(alert)} ask=${setDialog} />`}
    </header>
    <div class="columns">
      <div class="column">
        <${Playbook} alert=${alert} />
        <${Why} alert=${alert} />
        <${Evidence} alert=${alert} />
      </div>
      <div class="column narrow">
        <section class="card" aria-label=${t("alert.risk")}>
          <dl class="facts">
            ${alert.risk && html`<${RiskFacts} risk=${alert.risk} />`}
            <${Fact} label=${t("alert.cause")} value=${alert.cause === "unknown" ? term("cause", "unknown") : t("alert.cause.sure", { cause: term("cause", alert.cause), p: chance(alert.p_cause) })} />
          </dl>
          <a class="button wide" href=${link("customers", alert.customer_id)}><${Icon} name="user" />${t("alert.view360")}</a>
        </section>
        ${alert.risk && html`<${RiskReasons} risk=${alert.risk} />`}
        <section class="card"><h2>${t("alert.history")}</h2>
          ${canAct && html`<${CommentForm} alert=${alert} onDone=${life.reload} />`}
          ${life.data ? html`<${Life} steps=${life.data.items} />` : life.problem ? html`<${Failed} problem=${life.problem} retry=${life.reload} />` : html`<${Waiting} />`}
        </section>
      </div>
    </div>
    ${Asked && html`<${Asked} alert=${withName(alert)} onClose=${() => setDialog(null)} />`}
    ${dialog === "help" && html`<${HelpDialog} onClose=${() => setDialog(null)} />`}
  </article>`;
}

const withName = (alert) => ({ ...alert, customer_name: nameOf(alert.customer_id) });

function Actions({ alert, ask }) {
  const isClosed = alert.status === "resolved" || alert.status === "expired";
  if (isClosed) {
    if (!may("alerts:assign")) return null;
    return html`<div class="actions" key="closed"><button class="button" type="button" onClick=${() => act(alert, "reopen")}>${t("action.reopen")}</button></div>`;
  }
  const isMine = alert.status === "acknowledged";
  return html`<div class="actions" key="open">
    ${!isMine && html`<button class="button primary" type="button" onClick=${() => act(alert, "acknowledge")}><${Icon} name="check" />${t("action.acknowledge")}<kbd>${KEY.acknowledge}</kbd></button>`}
    <button class=${isMine ? "button primary" : "button"} type="button" onClick=${() => ask("resolve")}>${t("action.resolve")}<kbd>${KEY.resolve}</kbd></button>
    <button class="button" type="button" onClick=${() => ask("snooze")}><${Icon} name="clock" />${t("action.snooze")}<kbd>${KEY.snooze}</kbd></button>
    <button class="button" type="button" onClick=${() => ask("escalate")}><${Icon} name="up" />${t("action.escalate")}<kbd>${KEY.escalate}</kbd></button>
    <button class="button" type="button" onClick=${() => ask("contact")}><${Icon} name="phone" />${t("action.contact")}</button>
    ${may("alerts:assign") && html`<button class="button" type="button" onClick=${() => ask("assign")}><${Icon} name="user" />${t("action.assign")}</button>`}
  </div>`;
}

function Why({ alert }) {
  const measured = (value) => number(value, { maximumFractionDigits: 2 });
  const items = [...alert.signals]
    .sort((a, b) => b.contribution - a.contribution)
    .map((signal) => ({
      key: signal.name,
      label: sentence(localised(signal, "reason")) || term("signal", signal.name),
      value: signal.contribution,
      note: `${term("signal", signal.name)} · ${t("alert.measured", { value: measured(signal.value), threshold: measured(signal.threshold) })}`,
    }));
  return html`<section class="card"><h2>${t("alert.why")}</h2><p class="hint">${t("alert.why.hint")}</p><${Bars} items=${items} /></section>`;
}

function Evidence({ alert }) {
  const ids = new Set(alert.signals.flatMap((signal) => signal.evidence ?? []));
  const key = [...ids].join();
  const found = useLoaded(
    async () => (ids.size ? (await api.timeline(alert.customer_id, { limit: EVIDENCE_PAGE })).items : []),
    [key],
  );
  const items = (found.data ?? []).filter((item) => ids.has(item.id) || ids.has(`${item.source}/${item.id}`));
  const n_hidden = ids.size - items.length;
  return html`<section class="card"><h2>${t("alert.evidence")}</h2><p class="hint">${t("alert.evidence.hint")}</p>
    ${found.problem && html`<${Failed} problem=${found.problem} retry=${found.reload} />`}
    ${!found.problem && !found.data && html`<${Waiting} />`}
    ${found.data && !ids.size && html`<p>${t("alert.evidence.none")}</p>`}
    ${items.length > 0 && html`<${Timeline} items=${items} />`}
    ${found.data && n_hidden > 0 && html`<p class="hint"><a href=${link("customers", alert.customer_id)}>${t("alert.evidence.hidden", { n: n_hidden })}</a></p>`}
  </section>`;
}

function CommentForm({ alert, onDone }) {
  const [text, setText] = useState("");
  const send = async (event) => {
    event.preventDefault();
    if (text.trim() && (await act(alert, "comment", { text: text.trim() }))) {
      setText("");
      onDone();
    }
  };
  return html`<form class="comment" onSubmit=${send}>
    <label><span class="sr">${t("alert.comments.add")}</span>
      <textarea rows="2" maxlength="4000" placeholder=${t("alert.comments.add")} value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <button class="button small" type="submit" disabled=${!text.trim()}>${t("alert.comments.submit")}</button>
  </form>`;
}

