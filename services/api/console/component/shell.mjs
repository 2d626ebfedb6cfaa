// What surrounds every page: navigation, the state of the live connection, messages that come and go.
import { api, may, session } from "../lib/api.mjs";
import { watch } from "../lib/alerts.mjs";
import { link, route } from "../lib/route.mjs";
import { locale, theme } from "../lib/settings.mjs";
import { connection, isStandingStill, watchStandstill } from "../lib/stream.mjs";
import { t, term } from "../lib/text.mjs";
import { dismiss, said, toasts } from "../lib/toast.mjs";
import { html, useEffect, useState } from "../lib/view.mjs";
import { Attention } from "./attention.mjs";
import { Icon } from "./icon.mjs";

const PAGES = [
  ["alerts", "alerts:read"],
  ["at-risk", "customers:read"],
  ["customers", "customers:read"],
  ["identity", "customers:read"],
  ["insights", "alerts:read"],
  ["channels", "connections:read"],
  ["dead-letters", "dead_letters:read"],
  ["audit", "audit:read"],
  ["settings", null],
];
const N_IN_TAB_BAR = 3;
const RETRY_MS = 3_000;

export function Shell({ children }) {
  const [round, setRound] = useState(0);
  const pages = PAGES.filter(([, scope]) => scope === null || may(scope)).map(([page]) => page);
  useEffect(() => {
    // The list of alerts starts the stream itself, from where its first page stands.
    if (route.value.page !== "alerts" && may("alerts:read")) watch().catch(() => setTimeout(() => setRound(round + 1), RETRY_MS));
  }, [round, route.value.page]);
  useEffect(watchStandstill, []);
  const state = liveness();
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${skip}>${t("app.skip")}</a>
    <aside class="side">
      <a class="brand" href=${link("alerts")}><img src="icon.svg" alt="" width="24" height="24" />${t("app.name")}</a>
      <nav aria-label=${t("nav.label")}>${pages.map((page) => html`<${NavLink} key=${page} page=${page} />`)}</nav>
      <div class="side-foot">
        <${Connection} />
        <${LanguageSwitch} />
        <${Me} />
      </div>
    </aside>
    <div class="main-column">
      ${isBroken(state) && html`<div class="banner" role="status"><${Icon} name="clock" />${t(`connection.${state}.title`)}</div>`}
      <main id="main" tabindex="0">${children}</main>
    </div>
    <${TabBar} pages=${pages} />
    <${Toasts} />
    <${Attention} />
  </div>`;
}

function skip(event) {
  // The address after # is the page's state, so the jump is made by hand.
  event.preventDefault();
  document.getElementById("main").focus();
}

function NavLink({ page, short = false }) {
  return html`<a href=${link(page)} class="nav-link" aria-current=${route.value.page === page ? "page" : null}>
    <${Icon} name=${page} size=${short ? 20 : 17} /><span>${t(`nav.${page}`)}</span>
  </a>`;
}

function TabBar({ pages }) {
  const [isOpen, setOpen] = useState(false);
  const rest = pages.slice(N_IN_TAB_BAR);
  return html`<div class="tabs">
    ${isOpen && html`<div class="tabs-more" id="tabs-more" onClick=${() => setOpen(false)}>
      ${rest.map((page) => html`<${NavLink} key=${page} page=${page} />`)}
      <div class="tabs-foot"><${LanguageSwitch} /><${Connection} /></div>
      <${Me} />
    </div>`}
    <nav aria-label=${t("nav.label")}>
      ${pages.slice(0, N_IN_TAB_BAR).map((page) => html`<${NavLink} key=${page} page=${page} short />`)}
      <button type="button" class="nav-link" aria-expanded=${isOpen} aria-controls="tabs-more" onClick=${() => setOpen(!isOpen)}>
        <${Icon} name="more" size=${20} /><span>${t("nav.more")}</span>
      </button>
    </nav>
  </div>`;
}

const isBroken = (state) => ["reconnecting", "behind"].includes(state);
const liveness = () => (connection.value === "live" && isStandingStill.value ? "behind" : connection.value);

export function Connection() {
  const state = liveness();
  return html`<span class=${`connection ${state}`} role="status" title=${state === "live" || isBroken(state) ? t(`connection.${state}.title`) : null}>
    <i class="dot" />${t(`connection.${state}`)}
  </span>`;
}

export function LanguageSwitch() {
  return html`<div class="segments small" role="group" aria-label=${t("settings.language")}>
    ${["en", "zh"].map((one) => html`<button type="button" key=${one} lang=${one === "zh" ? "zh-CN" : "en"} aria-pressed=${locale.value === one}
        onClick=${() => (locale.value = one)}>${t(`language.${one}`)}</button>`)}
  </div>`;
}

export function ThemeSwitch() {
  return html`<div class="segments" role="group" aria-label=${t("settings.theme")}>
    ${["system", "light", "dark"].map((one) => html`<button type="button" key=${one} aria-pressed=${theme.value === one}
        onClick=${() => (theme.value = one)}>${t(`settings.theme.${one}`)}</button>`)}
  </div>`;
}

function Me() {
  const leave = async () => {
    // The session may be over already; leaving works either way.
    await api.logout().catch(() => {});
    session.value = null;
  };
  return html`<div class="me">
    <span class="me-name"><b>${session.value.name}</b><small>${term("role", session.value.role)}</small></span>
    <button class="icon-button" type="button" aria-label=${t("login.logout")} title=${t("login.logout")} onClick=${leave}><${Icon} name="logout" /></button>
  </div>`;
}

export function Toasts() {
  return html`<p class="sr" id="said" role="status">${said.value}</p><div class="toasts" role="log" aria-live="off">
    ${toasts.value.map((toast) => html`<div class=${`toast ${toast.kind}`} key=${toast.id}>
      <span>${toast.text}</span>
      <button class="icon-button" type="button" aria-label=${t("close")} onClick=${() => dismiss(toast.id)}><${Icon} name="close" size=${14} /></button>
    </div>`)}
  </div>`;
}
