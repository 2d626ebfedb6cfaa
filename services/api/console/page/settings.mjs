// Preferences of this device, and API keys for those who may make them.
import { chime } from "../component/attention.mjs";
import { Dialog } from "../component/dialog.mjs";
import { Failed, Waiting } from "../component/empty.mjs";
import { Endpoints } from "../component/endpoints.mjs";
import { Icon } from "../component/icon.mjs";
import { Paste } from "../component/paste.mjs";
import { Policies } from "../component/policies.mjs";
import { LanguageSwitch, ThemeSwitch } from "../component/shell.mjs";
import { When } from "../component/when.mjs";
import { problemText } from "../lib/actions.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { isNotifying, isSoundOn } from "../lib/settings.mjs";
import { t, term } from "../lib/text.mjs";
import { say, tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";

const ROLES = ["viewer", "agent", "supervisor", "admin", "integrator"];

export function SettingsPage() {
  return html`<section class="page settings" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("nav.settings")}</h1></header>
    <div class="stack">
      <section class="card"><h2>${t("settings.appearance")}</h2>
        <div class="setting"><span>${t("settings.language")}</span><${LanguageSwitch} /></div>
        <div class="setting"><span>${t("settings.theme")}</span><${ThemeSwitch} /></div>
      </section>
      <section class="card"><h2>${t("settings.attention")}</h2>
        <label class="setting"><span>${t("alerts.sound")}</span>
          <input type="checkbox" class="toggle" checked=${isSoundOn.value} onChange=${sound} /></label>
        <label class="setting"><span>${t("alerts.notify")}</span>
          <input type="checkbox" class="toggle" checked=${isNotifying.value} onChange=${notify} /></label>
      </section>
      ${may("notifications:read") && html`<section class="card"><h2>${t("endpoints.title")}</h2><${Endpoints} /></section>`}
      ${may("policies:read") && html`<section class="card"><h2>${t("policies.title")}</h2><p class="hint">${t("policies.lead")}</p><${Policies} /></section>`}
      <section class="card"><h2>${t("settings.keys")}</h2>
        ${may("keys:write") ? html`<${Keys} />` : html`<p class="hint">${t("settings.keys.forbidden")}</p>`}
      </section>
    </div>
  </section>`;
}

function sound(event) {
  isSoundOn.value = event.target.checked;
  // So that one knows what to listen for, and whether it can be heard.
  if (isSoundOn.value) chime("high");
}

async function notify(event) {
  if (event.target.checked && globalThis.Notification?.permission !== "granted") {
    isNotifying.value = (await globalThis.Notification?.requestPermission()) === "granted";
    event.target.checked = isNotifying.value;
  } else isNotifying.value = event.target.checked;
}

function Keys() {
  const loaded = useLoaded(() => api.keys(), []);
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState(null);
  const [ending, setEnding] = useState(null);
  const revoke = async () => {
    const { id, name } = ending;
    setEnding(null);
    try {
      await api.revokeKey(id);
      tell(t("saved.revoked", { name }));
      loaded.reload();
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  if (loaded.problem) return html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`;
  if (!loaded.data) return html`<${Waiting} />`;
  return html`<div class="card-head"><p class="hint">${t("settings.keys.lead")}</p><span class="spacer" />
      <button class="button primary" type="button" onClick=${() => setMaking(true)}><${Icon} name="key" />${t("settings.keys.new")}</button></div>
    ${made && html`<div class="made"><p>${t("settings.keys.created")}</p><${Paste} text=${made.key} label=${t("settings.keys.created")} /></div>`}
    <div class="table-box"><table class="data">
      <caption class="sr">${t("settings.keys")}</caption>
      <thead><tr><th scope="col">${t("settings.keys.name")}</th><th scope="col">${t("settings.keys.role")}</th><th scope="col">${t("settings.keys.prefix")}</th>
        <th scope="col">${t("settings.keys.made")}</th><th scope="col">${t("settings.keys.used")}</th><th scope="col"><span class="sr">${t("settings.keys.revoke")}</span></th></tr></thead>
      <tbody>${loaded.data.items.map((key) => html`<tr key=${key.id} class=${key.revoked_at ? "ended" : ""}>
        <td><b dir="auto">${key.name}</b></td>
        <td data-label=${t("settings.keys.role")}>${term("role", key.role)}</td>
        <td data-label=${t("settings.keys.prefix")} class="mono small">${key.prefix}</td>
        <td data-label=${t("settings.keys.made")}><${When} at=${key.created_at} /></td>
        <td data-label=${t("settings.keys.used")}>${key.last_used_at ? html`<${When} at=${key.last_used_at} />` : t("settings.keys.never")}</td>
        <td class="right">${key.revoked_at
          ? html`<span class="hint">${t("settings.keys.revoked")}</span>`
          : html`<button class="button small" type="button" onClick=${() => setEnding(key)}>${t("settings.keys.revoke")}</button>`}</td>
      </tr>`)}</tbody></table></div>
    ${isMaking && html`<${NewKey} onClose=${() => setMaking(false)} onMade=${(key) => (setMaking(false), setMade(key), say(t("settings.keys.created")), loaded.reload())} />`}
    ${ending && html`<${Dialog} title=${t("settings.keys.revoke")} hint=${t("settings.keys.revoke.sure", { name: ending.name })} onClose=${() => setEnding(null)}>
      <footer><button class="button" type="button" autofocus onClick=${() => setEnding(null)}>${t("cancel")}</button>
        <button class="button danger" type="button" onClick=${revoke}>${t("settings.keys.revoke")}</button></footer></${Dialog}>`}`;
}

function NewKey({ onClose, onMade }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("agent");
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      onMade(await api.newKey({ name: name.trim(), role }));
    } catch (refusal) {
      setProblem(refusal);
    }
  };
  return html`<${Dialog} title=${t("settings.keys.new")} onClose=${onClose}>
    <form onSubmit=${submit}>
      <label class="field"><span>${t("settings.keys.name")}</span><input type="text" required maxlength="128" autofocus value=${name} onInput=${(event) => setName(event.target.value)} /></label>
      <label class="field"><span>${t("settings.keys.role")}</span>
        <select value=${role} onChange=${(event) => setRole(event.target.value)}>${ROLES.map((one) => html`<option key=${one} value=${one} selected=${one === role}>${term("role", one)}</option>`)}</select></label>
      ${problem && html`<p class="error" role="alert">${problemText(problem)}</p>`}
      <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="button primary" type="submit">${t("settings.keys.create")}</button></footer>
    </form>
  </${Dialog}>`;
}
