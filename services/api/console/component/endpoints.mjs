// Who is told about alerts: notification endpoints, how their deliveries go, a test, and sending again what failed.
import { SEVERITIES } from "../lib/alerts.mjs";
import { problemText } from "../lib/actions.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { locale } from "../lib/settings.mjs";
import { dateTime, number, t, term } from "../lib/text.mjs";
import { say, tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";
import { Dialog } from "./dialog.mjs";
import { Failed, Waiting } from "./empty.mjs";
import { Icon } from "./icon.mjs";
import { Paste } from "./paste.mjs";
import { When } from "./when.mjs";

const KINDS = ["webhook", "slack", "wecom", "dingtalk", "feishu", "email"];
const EXAMPLES = {
  webhook: "https://crm.example.com/hooks/pulseline",
  slack: "https://hooks.slack.com/services/…",
  wecom: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…",
  dingtalk: "https://oapi.dingtalk.com/robot/send?access_token=…",
  feishu: "https://open.feishu.cn/open-apis/bot/v2/hook/…",
  email: "mailto:team@example.com",
};
const WEEK_MS = 7 * 86_400_000;
const N_DELIVERIES = 50;

export function Endpoints() {
  const loaded = useLoaded(() => api.endpoints(), []);
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState(null);
  const canWrite = may("notifications:write");
  if (loaded.problem && !loaded.data) return html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`;
  if (!loaded.data) return html`<${Waiting} />`;
  const { items } = loaded.data;
  return html`<div class="card-head"><p class="hint">${t("endpoints.lead")}</p><span class="spacer" />
      ${canWrite && html`<button class="button" type="button" onClick=${() => setMaking(true)}><${Icon} name="plus" />${t("endpoints.new")}</button>`}</div>
    ${made?.secret && html`<div class="made"><p>${t("endpoints.secret")}</p><${Paste} text=${made.secret} label=${t("endpoints.secret")} /></div>`}
    ${items.length ? html`<ul class="entries">${items.map((endpoint) => html`<${Endpoint} key=${endpoint.id} endpoint=${endpoint} canWrite=${canWrite} onChange=${loaded.reload} />`)}</ul>`
      : html`<p class="hint">${t("endpoints.empty")}</p>`}
    ${isMaking && html`<${NewEndpoint} onClose=${() => setMaking(false)} onMade=${(endpoint) => (setMaking(false), setMade(endpoint), endpoint.secret ? say(t("endpoints.secret")) : tell(t("saved.added", endpoint)), loaded.reload())} />`}`;
}

function Endpoint({ endpoint, canWrite, onChange }) {
  const [result, setResult] = useState(null);
  const [dialog, setDialog] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const attempt = async (work) => {
    setBusy(true);
    setDialog(null);
    try {
      await work();
    } catch (problem) {
      tell(problemText(problem), "error");
    }
    setBusy(false);
  };
  const test = () => attempt(async () => setResult(await api.testEndpoint(endpoint.id)));
  const replay = () => attempt(async () => {
    const { n_queued: n } = await api.replayEndpoint(endpoint.id, new Date(Date.now() - WEEK_MS).toISOString());
    tell(t("endpoints.replayed", { n }));
  });
  const change = (body) => () => attempt(async () => {
    await api.changeEndpoint(endpoint.id, body);
    tell(t(body.is_enabled ? "saved.on" : "saved.off", endpoint));
    onChange();
  });
  const remove = () => attempt(async () => {
    await api.removeEndpoint(endpoint.id);
    tell(t("saved.removed", endpoint));
    onChange();
  });
  const state = !endpoint.is_enabled ? "disabled" : endpoint.failing_since ? "failing" : "working";
  const told = endpoint.severities?.map((one) => term("severity", one)).join(", ") ?? t("endpoints.every");
  return html`<li class="entry">
    <div class="card-head"><b dir="auto">${endpoint.name}</b><span class="chip">${term("endpoint", endpoint.kind)}</span>
      <span class=${`badge health ${state}`}><i class="dot" />${t(`endpoints.${state}`)}</span><span class="spacer" />
      <button class="button small" type="button" onClick=${() => setDialog("deliveries")}>${t("endpoints.deliveries")}</button>
      ${canWrite && html`<button class="button small" type="button" disabled=${isBusy} onClick=${test}>${t("endpoints.test")}</button>
        <button class="button small" type="button" disabled=${isBusy} onClick=${replay}>${t("endpoints.replay")}</button>
        <button class="button small" type="button" disabled=${isBusy} onClick=${change({ is_enabled: !endpoint.is_enabled })}>${t(endpoint.is_enabled ? "endpoints.disable" : "endpoints.enable")}</button>
        <button class="button small" type="button" onClick=${() => setDialog("remove")}>${t("endpoints.remove")}</button>`}</div>
    <p class="mono small wrap">${endpoint.url}</p>
    <p class="hint">${t("endpoints.told", { severities: told })}
      ${endpoint.failing_since && html` · ${t("endpoints.since")} <${When} at=${endpoint.failing_since} />`}
      ${endpoint.disabled_reason && html` · <span dir="auto">${endpoint.disabled_reason}</span>`}</p>
    ${result && html`<p class=${result.is_delivered ? "result good" : "result bad"} role="status"><b>${t(result.is_delivered ? "endpoints.test.ok" : "endpoints.test.failed")}</b>
      <span dir="auto">${[result.status, result.error].filter(Boolean).join(" · ")}</span></p>`}
    ${dialog === "deliveries" && html`<${Deliveries} endpoint=${endpoint} onClose=${() => setDialog(null)} />`}
    ${dialog === "remove" && html`<${Dialog} title=${t("endpoints.remove")} hint=${t("endpoints.remove.sure", { name: endpoint.name })} onClose=${() => setDialog(null)}>
      <footer><button class="button" type="button" autofocus onClick=${() => setDialog(null)}>${t("cancel")}</button>
        <button class="button danger" type="button" onClick=${remove}>${t("endpoints.remove")}</button></footer></${Dialog}>`}
  </li>`;
}

function Deliveries({ endpoint, onClose }) {
  const loaded = useLoaded(() => api.deliveries(endpoint.id, { limit: N_DELIVERIES }), [endpoint.id]);
  return html`<${Dialog} title=${t("endpoints.deliveries.of", { name: endpoint.name })} onClose=${onClose} wide>
    ${loaded.problem ? html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`
      : !loaded.data ? html`<${Waiting} />`
      : !loaded.data.items.length ? html`<p class="hint">${t("endpoints.deliveries.none")}</p>`
      : html`<ul class="deliveries">${loaded.data.items.map((delivery) => html`<li key=${delivery.id}>
          <span class=${`badge health ${delivery.status}`}><i class="dot" />${t(`delivery.${delivery.status}`)}</span>
          <span class="hint">${dateTime(delivery.finished_at ?? delivery.run_at)}</span>
          <span class="hint">${t("dead.attempts", { n: delivery.n_attempts })}</span>
          ${delivery.last_status && html`<span class="mono small">${number(delivery.last_status, { useGrouping: false })}</span>`}
          ${delivery.last_error && html`<span class="small" dir="auto">${delivery.last_error}</span>`}</li>`)}</ul>`}
  </${Dialog}>`;
}

function NewEndpoint({ onClose, onMade }) {
  const [kind, setKind] = useState(KINDS[0]);
  const [values, setValues] = useState({ name: "", url: "", secret: "" });
  const [severities, setSeverities] = useState(["critical", "high"]);
  const [language, setLanguage] = useState(locale.value);
  const [problem, setProblem] = useState(null);
  const input = (name) => (event) => setValues({ ...values, [name]: event.target.value });
  const toggle = (one) => setSeverities(severities.includes(one) ? severities.filter((other) => other !== one) : [...severities, one]);
  const submit = async (event) => {
    event.preventDefault();
    const secret = values.secret.trim();
    try {
      onMade(await api.newEndpoint({
        name: values.name.trim(), kind, url: values.url.trim(), language, severities: severities.length ? severities : null, ...(secret && { secret }),
      }));
    } catch (refusal) {
      setProblem(refusal);
    }
  };
  return html`<${Dialog} title=${t("endpoints.new")} onClose=${onClose} wide>
    <form onSubmit=${submit}>
      <label class="field"><span>${t("endpoints.kind")}</span>
        <select autofocus value=${kind} onChange=${(event) => setKind(event.target.value)}>${KINDS.map((one) => html`<option key=${one} value=${one} selected=${one === kind}>${term("endpoint", one)}</option>`)}</select></label>
      <label class="field"><span>${t("settings.keys.name")}</span><input type="text" required maxlength="128" value=${values.name} onInput=${input("name")} /></label>
      <label class="field"><span>${t("endpoints.url")}</span><input type="text" required maxlength="2048" placeholder=${EXAMPLES[kind]} value=${values.url} onInput=${input("url")} /></label>
      ${(kind === "dingtalk" || kind === "feishu") && html`<label class="field"><span>${t("endpoints.botsecret")}</span><input type="password" autocomplete="off" value=${values.secret} onInput=${input("secret")} /></label>`}
      <div class="field"><span id="told-about">${t("endpoints.severities")}</span>
        <div class="segments multi" role="group" aria-labelledby="told-about">${SEVERITIES.map((one) => html`<button type="button" key=${one} aria-pressed=${severities.includes(one)} onClick=${() => toggle(one)}>${term("severity", one)}</button>`)}</div></div>
      <label class="field"><span>${t("settings.language")}</span>
        <select value=${language} onChange=${(event) => setLanguage(event.target.value)}>${["en", "zh"].map((one) => html`<option key=${one} value=${one} selected=${one === language}>${t(`language.${one}`)}</option>`)}</select></label>
      ${problem && html`<p class="error" role="alert">${problemText(problem)}</p>`}
      <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button><button class="button primary" type="submit">${t("endpoints.add")}</button></footer>
    </form>
  </${Dialog}>`;
}
