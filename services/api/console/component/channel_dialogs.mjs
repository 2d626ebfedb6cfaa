// Making a channel connection and replacing its credentials: what goes in is never shown again.
import { problemText } from "../lib/actions.mjs";
import { api } from "../lib/api.mjs";
import { localised, t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";
import { Dialog } from "./dialog.mjs";
import { Paste } from "./paste.mjs";

/** Returns what a person typed for a setting as JSON has it: a list where commas stand, otherwise a text. */
function settingOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.includes(",") ? text.split(",").map((part) => part.trim()).filter(Boolean) : text;
  }
}

const filled = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));

function freeId(provider, taken) {
  const stem = provider.replaceAll("_", "-");
  for (let n = 1; ; n += 1) {
    const id = n === 1 ? stem : `${stem}-${n}`;
    if (!taken.includes(id)) return id;
  }
}

export function AddChannelDialog({ providers, taken, onClose, onMade }) {
  const sorted = [...providers].sort((a, b) => term("provider", a.provider).localeCompare(term("provider", b.provider)));
  const [provider, setProvider] = useState(sorted[0].provider);
  const [id, setId] = useState(null);
  const [credentials, setCredentials] = useState({});
  const [settings, setSettings] = useState({});
  const [problem, setProblem] = useState(null);
  const [made, setMade] = useState(null);
  const spec = providers.find((one) => one.provider === provider);
  const shownId = id ?? freeId(provider, taken);
  const submit = async (event) => {
    event.preventDefault();
    const chosen = Object.fromEntries(Object.entries(filled(settings)).map(([name, text]) => [name, settingOf(text)]));
    try {
      setMade(await api.newConnection({ id: shownId.trim(), provider, credentials: filled(credentials), settings: chosen }));
      onMade();
    } catch (refusal) {
      setProblem(refusal);
    }
  };
  if (made) {
    return html`<${Dialog} title=${t("channels.made", { provider: term("provider", provider) })} hint=${t("channels.made.hint")} onClose=${onClose} wide>
      <${Paste} text=${made.url} label=${t("channels.address")} />
      ${spec.has_challenge && html`<p class="hint below">${t("channels.challenge")}</p>`}
      <p class="hint below">${t("channels.guide", { page: spec.documentation })}</p>
      <footer><button class="button primary" type="button" autofocus onClick=${onClose}>${t("close")}</button></footer>
    </${Dialog}>`;
  }
  const choose = (event) => {
    setProvider(event.target.value);
    setId(null);
    setCredentials({});
    setSettings({});
    setProblem(null);
  };
  return html`<${Dialog} title=${t("channels.add")} hint=${t("channels.add.hint")} onClose=${onClose} wide>
    <form onSubmit=${submit}>
      <label class="field"><span>${t("channels.provider")}</span>
        <select autofocus value=${provider} onChange=${choose}>${sorted.map((one) => html`<option key=${one.provider} value=${one.provider} selected=${one.provider === provider}>${term("provider", one.provider)}</option>`)}</select></label>
      <label class="field"><span>${t("channels.id")}</span>
        <input type="text" required maxlength="64" value=${shownId} onInput=${(event) => setId(event.target.value)} /></label>
      <${Credentials} spec=${spec} values=${credentials} onInput=${setCredentials} />
      ${(spec.settings ?? []).length > 0 && html`<details><summary>${t("channels.settings")}</summary>
        ${spec.settings.map((name) => html`<label class="field" key=${name}><span class="mono">${name}</span>
          <input type="text" value=${settings[name] ?? ""} onInput=${(event) => setSettings({ ...settings, [name]: event.target.value })} /></label>`)}</details>`}
      ${problem && html`<p class="error" role="alert">${problemText(problem)}</p>`}
      <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="button primary" type="submit">${t("channels.create")}</button></footer>
    </form>
  </${Dialog}>`;
}

function Credentials({ spec, values, onInput, areRequired = true }) {
  return html`${spec.credentials.map((one) => html`<label class="field" key=${one.name}>
    <span><span class="mono">${one.name}</span>${!one.required && ` ${t("optional")}`}</span>
    <input type=${one.is_secret ? "password" : "text"} autocomplete="off" required=${areRequired && one.required} value=${values[one.name] ?? ""}
      onInput=${(event) => onInput({ ...values, [one.name]: event.target.value })} />
    <small class="hint">${localised(one, "description")}</small></label>`)}`;
}

export function RotateDialog({ connection, spec, onClose, onDone }) {
  const [credentials, setCredentials] = useState({});
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      await api.changeConnection(connection.id, { credentials: filled(credentials) });
      tell(t("channels.rotated"));
      onDone();
      onClose();
    } catch (refusal) {
      setProblem(refusal);
    }
  };
  return html`<${Dialog} title=${t("channels.rotate")} hint=${t("channels.rotate.hint")} onClose=${onClose} wide>
    <form onSubmit=${submit}>
      <${Credentials} spec=${spec} values=${credentials} onInput=${setCredentials} areRequired=${false} />
      ${problem && html`<p class="error" role="alert">${problemText(problem)}</p>`}
      <footer><button class="button" type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="button primary" type="submit" disabled=${!Object.keys(filled(credentials)).length}>${t("channels.rotate")}</button></footer>
    </form>
  </${Dialog}>`;
}
