// Where messages and purchases come in: how each channel is, and how to connect another.
import { AddChannelDialog, RotateDialog } from "../component/channel_dialogs.mjs";
import { Dialog } from "../component/dialog.mjs";
import { Empty, Failed, Waiting } from "../component/empty.mjs";
import { Icon } from "../component/icon.mjs";
import { Paste } from "../component/paste.mjs";
import { When } from "../component/when.mjs";
import { problemText } from "../lib/actions.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { told } from "../lib/reason.mjs";
import { number, t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useEffect, useState } from "../lib/view.mjs";

const FRESH_MS = 5_000;
const QUIET_MS = 86_400_000;

/** Returns how a connection is: "rejecting", "receiving", "quiet" for a day or longer, or "awaiting" its first delivery. */
export function healthOf({ last_received_at: received, last_rejected_at: rejected }, nowMs) {
  if (rejected && (!received || Date.parse(rejected) > Date.parse(received))) return "rejecting";
  if (!received) return "awaiting";
  return nowMs - Date.parse(received) > QUIET_MS ? "quiet" : "receiving";
}

export function ChannelsPage() {
  const connections = useLoaded(() => api.connections(), []);
  const providers = useLoaded(() => api.providers(), []);
  const [isAdding, setAdding] = useState(false);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || connections.reload(), FRESH_MS);
    return () => clearInterval(timer);
  }, [connections.reload]);
  const known = providers.data?.items ?? [];
  const problem = (!connections.data && connections.problem) || (!providers.data && providers.problem);
  const add = may("connections:write") && html`<button class="button primary" type="button" onClick=${() => setAdding(true)}><${Icon} name="plus" />${t("channels.add")}</button>`;
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.channels")}</h1><span class="spacer" />${connections.data?.items.length > 0 && add}</header>
    <p class="lead">${t("channels.lead")}</p>
    ${problem ? html`<${Failed} problem=${problem} retry=${() => (connections.reload(), providers.reload())} />`
      : !connections.data || !providers.data ? html`<${Waiting} />`
      : !connections.data.items.length ? html`<${Empty} icon="channels" title=${t("channels.empty")} hint=${t("channels.empty.hint")}>${add}</${Empty}>`
      : html`<div class="stack full">${connections.data.items.map((connection) => html`<${Channel} key=${connection.id} connection=${connection}
          spec=${known.find(({ provider }) => provider === connection.provider)} onChange=${connections.reload} />`)}</div>`}
    ${isAdding && html`<${AddChannelDialog} providers=${known} taken=${connections.data.items.map(({ id }) => id)}
      onClose=${() => setAdding(false)} onMade=${connections.reload} />`}
  </section>`;
}

function Channel({ connection, spec, onChange }) {
  const { figures } = connection;
  const [result, setResult] = useState(null);
  const [isTesting, setTesting] = useState(false);
  const [dialog, setDialog] = useState(null);
  const health = healthOf(figures, Date.now());
  const canChange = may("connections:write") && connection.origin === "api";
  const reasons = Object.entries(figures.n_rejected_by_reason).sort((a, b) => b[1] - a[1]);
  const n_rejected = reasons.reduce((sum, [, n]) => sum + n, 0);
  const attempt = (work, done) => async () => {
    setDialog(null);
    try {
      await work();
      tell(done);
      onChange();
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  const test = async () => {
    setTesting(true);
    setResult(null);
    try {
      setResult(await api.testConnection(connection.id));
    } catch (problem) {
      setResult({ ok: false, detail: problemText(problem) });
    }
    setTesting(false);
  };
  return html`<section class="card channel" aria-labelledby=${`channel-${connection.id}`}>
    <div class="card-head">
      <h2 id=${`channel-${connection.id}`}><span>${term("provider", connection.provider)}</span> <span class="mono hint">${connection.id}</span></h2>
      <span class=${`badge health ${health}`}><i class="dot" />${t(`channels.health.${health}`)}</span>
      ${connection.origin === "file" && html`<span class="chip" title=${t("channels.file.hint")}>${t("channels.file")}</span>`}
      ${connection.has_previous_secret && html`<span class="chip">${t("channels.previous")}</span>`}
      <span class="spacer" />
      ${may("connections:write") && html`<button class="button small" type="button" disabled=${isTesting} onClick=${test}><${Icon} name="send" size=${13} />${isTesting ? t("channels.testing") : t("channels.test")}</button>`}
      ${canChange && html`<button class="button small" type="button" onClick=${() => setDialog("rotate")}>${t("channels.rotate")}</button>`}
      ${canChange && connection.has_previous_secret && html`<button class="button small" type="button"
        onClick=${attempt(() => api.changeConnection(connection.id, { drop_previous: true }), t("channels.ended"))}>${t("channels.end")}</button>`}
      ${canChange && html`<button class="button small" type="button" onClick=${() => setDialog("remove")}>${t("channels.remove")}</button>`}
    </div>
    <${Paste} text=${connection.url} label=${t("channels.address")} />
    <dl class="facts across figures">
      <div class="fact"><dt>${t("channels.received")}</dt><dd>${number(figures.n_received)}</dd></div>
      <div class="fact"><dt>${t("channels.last")}</dt><dd>${figures.last_received_at ? html`<${When} at=${figures.last_received_at} />` : t("settings.keys.never")}</dd></div>
      <div class="fact"><dt>${t("channels.rejected")}</dt><dd class=${n_rejected ? "bad" : ""}>${number(n_rejected)}</dd></div>
      <div class="fact"><dt>${t("channels.lastrejected")}</dt><dd>${figures.last_rejected_at ? html`<${When} at=${figures.last_rejected_at} />` : t("settings.keys.never")}</dd></div>
    </dl>
    ${reasons.length > 0 && html`<ul class="reasons" aria-label=${t("channels.reasons")}>${reasons.map(([reason, n]) => html`<li key=${reason}><b>${number(n)}</b> <span dir="auto">${told(reason).text}</span> <small class="mono hint">${told(reason).detail}</small></li>`)}</ul>`}
    ${reasons.length > 1 && figures.last_rejection_reason && html`<p class="hint" dir="auto">${t("channels.lastreason", { reason: told(figures.last_rejection_reason).text })}</p>`}
    ${result && html`<p class=${result.ok ? "result good" : "result bad"} role="status"><b>${result.ok ? t("channels.test.ok") : t("channels.test.failed")}</b> <span dir="auto">${result.detail}</span></p>`}
    ${dialog === "rotate" && spec && html`<${RotateDialog} connection=${connection} spec=${spec} onClose=${() => setDialog(null)} onDone=${onChange} />`}
    ${dialog === "remove" && html`<${Dialog} title=${t("channels.remove")} hint=${t("channels.remove.sure", { id: connection.id })} onClose=${() => setDialog(null)}>
      <footer><button class="button" type="button" autofocus onClick=${() => setDialog(null)}>${t("cancel")}</button>
        <button class="button danger" type="button" onClick=${attempt(() => api.removeConnection(connection.id), t("channels.removed"))}>${t("channels.remove")}</button></footer></${Dialog}>`}
  </section>`;
}
