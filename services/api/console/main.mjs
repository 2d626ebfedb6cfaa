// Starts the console: who is logged in, which page the address asks for.
import { Failed, Waiting } from "./component/empty.mjs";
import { Shell, Toasts } from "./component/shell.mjs";
import { api, session } from "./lib/api.mjs";
import { route } from "./lib/route.mjs";
import { t } from "./lib/text.mjs";
import { html, render, signal, useEffect } from "./lib/view.mjs";
import { AlertPage } from "./page/alert.mjs";
import { AlertsPage } from "./page/alerts.mjs";
import { AtRiskPage } from "./page/at_risk.mjs";
import { AuditPage } from "./page/audit.mjs";
import { CustomerPage } from "./page/customer.mjs";
import { CustomersPage } from "./page/customers.mjs";
import { DeadLetterPage } from "./page/dead_letter.mjs";
import { DeadLettersPage } from "./page/dead_letters.mjs";
import { LoginPage } from "./page/login.mjs";
import { SettingsPage } from "./page/settings.mjs";

const LISTS = {
  "at-risk": AtRiskPage,
  alerts: AlertsPage,
  audit: AuditPage,
  customers: CustomersPage,
  "dead-letters": DeadLettersPage,
  settings: SettingsPage,
};
const SINGLES = { alerts: AlertPage, customers: CustomerPage, "dead-letters": DeadLetterPage };

const trouble = signal(null);

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
  if (session.value === undefined) return trouble.value ? html`<${Failed} problem=${trouble.value} retry=${start} />` : html`<${Waiting} />`;
  if (session.value === null) return html`<${LoginPage} /><${Toasts} />`;
  const Page = (id && SINGLES[page]) || LISTS[page] || AlertsPage;
  return html`<${Shell}><${Page} key=${`${page}/${id}`} id=${id} /></${Shell}>`;
}

render(html`<${App} />`, document.getElementById("app"));
start();
