// Starts the console: who is logged in, which page the address asks for.
import { Failed, Waiting } from "./component/empty.mjs";
import { Shell, Toasts } from "./component/shell.mjs";
import { unfollow } from "./lib/alerts.mjs";
import { api, session } from "./lib/api.mjs";
import { arrive, watchFocus } from "./lib/focus.mjs";
import { later } from "./lib/later.mjs";
import { route } from "./lib/route.mjs";
import { t } from "./lib/text.mjs";
import { html, render, signal, useEffect, useLayoutEffect } from "./lib/view.mjs";
import { AlertsPage } from "./page/alerts.mjs";

const AlertPage = later(() => import("./page/alert.mjs"), "AlertPage");
const AtRiskPage = later(() => import("./page/at_risk.mjs"), "AtRiskPage");
const AuditPage = later(() => import("./page/audit.mjs"), "AuditPage");
const ChannelsPage = later(() => import("./page/channels.mjs"), "ChannelsPage");
const CustomerPage = later(() => import("./page/customer.mjs"), "CustomerPage");
const CustomersPage = later(() => import("./page/customers.mjs"), "CustomersPage");
const DeadLetterPage = later(() => import("./page/dead_letter.mjs"), "DeadLetterPage");
const DeadLettersPage = later(() => import("./page/dead_letters.mjs"), "DeadLettersPage");
const IdentityPage = later(() => import("./page/identity.mjs"), "IdentityPage");
const InsightsPage = later(() => import("./page/insights.mjs"), "InsightsPage");
const SettingsPage = later(() => import("./page/settings.mjs"), "SettingsPage");
const LoginPage = later(() => import("./page/login.mjs"), "LoginPage");

const LISTS = {
  "at-risk": AtRiskPage,
  alerts: AlertsPage,
  audit: AuditPage,
  channels: ChannelsPage,
  customers: CustomersPage,
  "dead-letters": DeadLettersPage,
  identity: IdentityPage,
  insights: InsightsPage,
  settings: SettingsPage,
};
const SINGLES = { alerts: AlertPage, customers: CustomerPage, "dead-letters": DeadLetterPage };

const trouble = signal(null);
let isOpened = false;

function start() {
  trouble.value = null;
  api.session().then(
    (known) => (session.value = known),
    (problem) => (problem.status === 401 ? (session.value = null) : (trouble.value = problem)),
  );
}

function App() {
  const { page, id } = route.value;
  useEffect(() => {
    const name = LISTS[page] ? t(`nav.${page}`) : "";
    document.title = session.value && name ? `${name} · ${t("app.name")}` : t("app.name");
  });
  // Who signs in next has a stream of their own.
  useEffect(() => {
    if (!session.value) unfollow();
  }, [session.value]);
  // The first page leaves the focus where the browser has it; whoever goes on to another hears its heading.
  useLayoutEffect(() => {
    if (session.value === undefined) return;
    if (isOpened && session.value) arrive();
    isOpened = true;
  }, [session.value === undefined, Boolean(session.value), page, id]);
  if (session.value === undefined) return trouble.value ? html`<${Failed} problem=${trouble.value} retry=${start} />` : html`<${Waiting} />`;
  if (session.value === null) return html`<${LoginPage} /><${Toasts} />`;
  const Page = (id && SINGLES[page]) || LISTS[page] || AlertsPage;
  return html`<${Shell}><${Page} key=${`${page}/${id}`} id=${id} /></${Shell}>`;
}

// The other pages come while nothing else is to be done, so that opening one never waits.
const IDLE_MS = 4_000;
setTimeout(() => [...Object.values(LISTS), ...Object.values(SINGLES)].forEach((page) => page.fetch?.()), IDLE_MS);

watchFocus();
render(html`<${App} />`, document.getElementById("app"));
start();
