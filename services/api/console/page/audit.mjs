// Every change anybody made, newest first.
import { Empty, Failed, Waiting } from "../component/empty.mjs";
import { When } from "../component/when.mjs";
import { api } from "../lib/api.mjs";
import { usePages } from "../lib/load.mjs";
import { link } from "../lib/route.mjs";
import { t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

export function AuditPage() {
  const pages = usePages((cursor) => api.audit({ cursor, limit: 50 }), []);
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("audit.title")}</h1></header>
    <p class="lead">${t("audit.lead")}</p>
    ${pages.problem ? html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`
      : pages.items.length ? html`<${Table} items=${pages.items} />`
      : pages.isLoading ? html`<${Waiting} />`
      : html`<${Empty} icon="audit" title=${t("audit.empty")} hint=${t("audit.empty.hint")} />`}
    ${pages.hasMore && html`<button class="button wide" type="button" disabled=${pages.isLoading} onClick=${pages.more}>${t("more")}</button>`}
  </section>`;
}

/** Returns `{a: 1, b: ["x"]}` as "a 1 · b x". */
function details(detail) {
  return Object.entries(detail ?? {})
    .filter(([, value]) => value !== "" && value !== null)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value).replace(/[[\]"{}]/g, "") : value}`)
    .join(" · ");
}

function Target({ entry }) {
  const { target_type: type, target_id: id } = entry;
  const text = html`${term("target", type)} <span class="mono" dir="auto">${id}</span>`;
  if (type === "alert") return html`<a href=${link("alerts", id)}>${text}</a>`;
  if (type === "customer" && id !== "*") return html`<a href=${link("customers", id)}>${text}</a>`;
  return text;
}

function Table({ items }) {
  return html`<div class="table-box"><table class="data log">
    <caption class="sr">${t("audit.caption")}</caption>
    <thead><tr><th scope="col">${t("audit.when")}</th><th scope="col">${t("audit.who")}</th><th scope="col">${t("audit.what")}</th><th scope="col">${t("audit.target")}</th><th scope="col">${t("audit.detail")}</th></tr></thead>
    <tbody>${items.map((entry) => html`<tr key=${entry.id}>
      <td class="nowrap"><${When} at=${entry.at} /></td>
      <td dir="auto"><b title=${entry.actor}>${entry.actor.replace(/ \(key_\w+\)$/, "")}</b></td>
      <td title=${entry.action}>${term("action_done", entry.action.replace(".", "_"))}</td>
      <td><${Target} entry=${entry} /></td>
      <td class="small" dir="auto">${details(entry.detail)}</td>
    </tr>`)}</tbody></table></div>`;
}
