// The team's rules, told in sentences: who gets new alerts, what is promised, which endpoint hears what.
import { SEVERITIES } from "../lib/alerts.mjs";
import { problemText } from "../lib/actions.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { duration, list, money, t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";
import { Dialog } from "./dialog.mjs";
import { Failed, Waiting } from "./empty.mjs";
import { Icon } from "./icon.mjs";

const KINDS = ["assignment-rules", "escalation-policies", "routing-rules"];
const TIERS = ["platinum", "gold", "silver", "bronze", "new"];
// What a policy is answered with beyond what it was sent with.
const KEPT = ["id", "created_at", "created_by", "updated_at", "n_assigned"];

const minutes = (n) => duration(n * 60);

/** Returns which alerts a rule is about, in words. */
function about({ match }) {
  const parts = [
    match.severities && list(match.severities.map((one) => term("severity", one))),
    match.tiers && list(match.tiers.map((one) => term("tier", one))),
    match.causes && list(match.causes.map((one) => term("cause", one))),
    match.channels && list(match.channels.map((one) => term("channel", one))),
    match.languages && list(match.languages),
    match.min_expected_loss != null && t("policies.loss", { amount: money(match.min_expected_loss) }),
  ].filter(Boolean);
  return parts.length ? parts.join(" · ") : t("policies.every");
}

function says(kind, policy, endpoints) {
  if (kind === "assignment-rules") return [t("policies.says.assign", { who: list(policy.assignees) })];
  if (kind === "routing-rules") return [t("policies.says.route", { where: list(policy.endpoint_ids.map((id) => endpoints.find((one) => one.id === id)?.name ?? id)) })];
  return [
    policy.acknowledge_within_minutes && t("policies.says.acknowledge", { time: minutes(policy.acknowledge_within_minutes) }),
    policy.resolve_within_minutes && t("policies.says.resolve", { time: minutes(policy.resolve_within_minutes) }),
    ...policy.steps.map((step) => t(step.assign_to ? "policies.says.stepto" : "policies.says.step", { time: minutes(step.after_minutes), unless: t(`policies.unless.${step.unless}`), who: step.assign_to })),
  ].filter(Boolean);
}

export function Policies() {
  const loaded = useLoaded(async () => {
    const endpoints = may("notifications:read") ? (await api.endpoints()).items : [];
    const kinds = await Promise.all(KINDS.map((kind) => api.policies(kind)));
    return { endpoints, policies: Object.fromEntries(KINDS.map((kind, index) => [kind, kinds[index].items])) };
  }, []);
  const [making, setMaking] = useState(null);
  if (loaded.problem && !loaded.data) return html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`;
  if (!loaded.data) return html`<${Waiting} />`;
  const { endpoints, policies } = loaded.data;
  return html`${KINDS.map((kind) => html`<section key=${kind} class="policies" aria-labelledby=${`policies-${kind}`}>
      <div class="card-head"><h3 id=${`policies-${kind}`}>${t(`policies.${kind}`)}</h3><span class="spacer" />
        ${may("policies:write") && (kind !== "routing-rules" || endpoints.length > 0) && html`<button class="button small" type="button" onClick=${() => setMaking(kind)}><${Icon} name="plus" size=${13} />${t(`policies.new.${kind}`)}</button>`}</div>
      ${policies[kind].length ? html`<ul class="entries">${policies[kind].map((policy) => html`<${Entry} key=${policy.id} kind=${kind} policy=${policy} endpoints=${endpoints} onChange=${loaded.reload} />`)}</ul>`
        : html`<p class="hint">${t(`policies.none.${kind}`)}</p>`}
    </section>`)}
    ${making && html`<${NewPolicy} kind=${making} endpoints=${endpoints} onClose=${() => setMaking(null)} onMade=${() => (setMaking(null), loaded.reload())} />`}`;
}

function Entry({ kind, policy, endpoints, onChange }) {
  const canWrite = may("policies:write");
  const attempt = (work, done) => async () => {
    try {
      await work();
      tell(t(done, policy));
      onChange();
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  const body = Object.fromEntries(Object.entries(policy).filter(([name]) => !KEPT.includes(name)));
  const flip = attempt(() => api.putPolicy(kind, policy.id, { ...body, is_enabled: !policy.is_enabled }), policy.is_enabled ? "saved.off" : "saved.on");
  return html`<li class="entry"><div class="card-head"><b dir="auto">${policy.name}</b><span class="hint">${about(policy)}</span><span class="spacer" />
      <span class=${`badge health ${policy.is_enabled ? "working" : "disabled"}`}><i class="dot" />${t(policy.is_enabled ? "policies.on" : "policies.off")}</span>
      ${canWrite && html`<button class="button small" type="button" onClick=${flip}>${t(policy.is_enabled ? "endpoints.disable" : "endpoints.enable")}</button>
        <button class="button small" type="button" onClick=${attempt(() => api.removePolicy(kind, policy.id), "saved.removed")}>${t("endpoints.remove")}</button>`}</div>
    <ul>${says(kind, policy, endpoints).map((line) => html`<li key=${line} dir="auto">${line}</li>`)}</ul></li>`;
}

function Choices({ label, stem, values, chosen, onChange, texts }) {
  const id = `choices-${stem}`;
  return html`<div class="field"><span id=${id}>${label}</span><div class="segments multi wrapping" role="group" aria-labelledby=${id}>
    ${values.map((one, index) => html`<button type="button" key=${one} aria-pressed=${chosen.includes(one)}
      onClick=${() => onChange(chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one])}>${texts?.[index] ?? term(stem, one)}</button>`)}</div></div>`;
}

function NewPolicy({ kind, endpoints, onClose, onMade }) {
  const [values, setValues] = useState({ name: "", assignees: "", acknowledge: "30", resolve: "", after: "60", to: "" });
  const [severities, setSeverities] = useState([]);
  const [tiers, setTiers] = useState([]);
  const [targets, setTargets] = useState([]);
  const [problem, setProblem] = useState(null);
  const text = (name, label, more = {}) => html`<label class="field"><span>${label}</span><input type="text" value=${values[name]} ...${more}
    onInput=${(event) => setValues({ ...values, [name]: event.target.value })} /></label>`;
  const whole = (name) => (values[name].trim() ? Number(values[name]) : null);
  const submit = async (event) => {
    event.preventDefault();
    const match = { ...(severities.length && { severities }), ...(tiers.length && { tiers }) };
    const own = {
      "assignment-rules": () => ({ assignees: values.assignees.split(/[,，]/).map((one) => one.trim()).filter(Boolean) }),
      "escalation-policies": () => ({
        acknowledge_within_minutes: whole("acknowledge"),
        resolve_within_minutes: whole("resolve"),
        steps: whole("after") ? [{ after_minutes: whole("after"), assign_to: values.to.trim() || null }] : [],
      }),
      "routing-rules": () => ({ endpoint_ids: targets }),
    }[kind]();
    try {
      tell(t("saved.added", await api.newPolicy(kind, { name: values.name.trim(), match, ...own })));
      onMade();
    } catch (refusal) {
      setProblem(refusal);
    }
  };
  return html`<${Dialog} title=${t(`policies.new.${kind}`)} onClose=${onClose} wide><form onSubmit=${submit}>
    ${text("name", t("settings.keys.name"), { required: true, maxlength: 128, autofocus: true })}
    <${Choices} label=${t("alerts.filter.severity")} stem="severity" values=${SEVERITIES} chosen=${severities} onChange=${setSeverities} />
    <${Choices} label=${t("alerts.filter.tier")} stem="tier" values=${TIERS} chosen=${tiers} onChange=${setTiers} />
    <p class="hint">${t("policies.match.hint")}</p>
    ${kind === "assignment-rules" && text("assignees", t("policies.assignees"), { required: true })}
    ${kind === "escalation-policies" && html`${text("acknowledge", t("policies.acknowledge"), { inputmode: "numeric", pattern: "\\d*" })}
      ${text("resolve", t("policies.resolve"), { inputmode: "numeric", pattern: "\\d*" })}
      ${text("after", t("policies.after"), { inputmode: "numeric", pattern: "\\d*" })}${text("to", t("policies.to"))}`}
    ${kind === "routing-rules" && html`<${Choices} label=${t("policies.endpoints")} stem="endpoints" values=${endpoints.map(({ id }) => id)} texts=${endpoints.map(({ name }) => name)} chosen=${targets} onChange=${setTargets} />`}
    ${problem && html`<p class="error" role="alert">${problemText(problem)}</p>`}
    <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button><button class="button primary" type="submit">${t("endpoints.add")}</button></footer>
  </form></${Dialog}>`;
}
