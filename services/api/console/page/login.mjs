// Signing in: an API key is exchanged for a session cookie that scripts cannot read.
import { problemText } from "../lib/actions.mjs";
import { api, session } from "../lib/api.mjs";
import { t } from "../lib/text.mjs";
import { html, useEffect, useRef, useState } from "../lib/view.mjs";
import { Rich } from "../component/empty.mjs";
import { LanguageSwitch } from "../component/shell.mjs";

export function LoginPage() {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const input = useRef(null);
  // The browser minds `autofocus` once; signing out comes here again.
  useEffect(() => input.current.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      session.value = await api.login(key.trim());
    } catch (refusal) {
      setProblem(refusal);
      setBusy(false);
    }
  };
  return html`<main class="login" id="main">
    <form onSubmit=${submit}>
      <img src="icon.svg" alt="" width="44" height="44" />
      <h1>${t("app.name")}</h1>
      <p class="lead">${t("login.lead")}</p>
      <label class="field"><span>${t("login.key")}</span>
        <input type="password" name="key" autocomplete="current-password" required ref=${input} value=${key}
          aria-describedby="login-hint" aria-invalid=${problem ? "true" : null} onInput=${(event) => setKey(event.target.value)} />
      </label>
      ${problem && html`<p class="error" role="alert">${problem.status === 401 || problem.status === 422 ? t("login.wrong") : problemText(problem)}</p>`}
      <button class="button primary large" type="submit" disabled=${isBusy}>${isBusy ? t("login.busy") : t("login.submit")}</button>
      <p class="hint" id="login-hint"><${Rich} text=${t("login.hint")} /></p>
    </form>
    <${LanguageSwitch} />
  </main>`;
}
