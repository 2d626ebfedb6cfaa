// Events that could not be read or decided: browse by state, stage and reason.
import { Empty, Failed, Waiting } from "../component/empty.mjs";
import { When } from "../component/when.mjs";
import { api } from "../lib/api.mjs";
import { usePages } from "../lib/load.mjs";
import { link, route, setQuery } from "../lib/route.mjs";
import { t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";

const STATUSES = ["open", "replayed", "discarded"];

export function DeadLettersPage() {
  const { query } = route.value;
  const status = STATUSES.includes(query.get("status")) ? query.get("status") : "open";
  const pages = usePages((cursor) => api.deadLetters({ status, cursor, limit: 50 }), [status]);
  return html`<section class="page" aria-labelledby="page-title">
    <header class="page-head"><h1 id="page-title">${t("dead.title")}</h1></header>
    <p class="lead">${t("dead.lead")}</p>
    <div class="filters open"><div class="segments" role="group" aria-label=${t("dead.filter.status")}>
      ${STATUSES.map((one) => html`<button type="button" key=${one} aria-pressed=${status === one}
          onClick=${() => setQuery({ status: one === "open" ? "" : one })}>${t(`dead.status.${one}`)}</button>`)}
    </div></div>
    ${pages.problem ? html`<${Failed} problem=${pages.problem} retry=${pages.reload} />`
      : pages.items.length ? html`<${Table} items=${pages.items} />`
      : pages.isLoading ? html`<${Waiting} />`
      : html`<${Empty} icon="dead-letters" title=${t("dead.empty")} hint=${t("dead.empty.hint")} />`}
    ${pages.hasMore && html`<button class="button wide" type="button" disabled=${pages.isLoading} onClick=${pages.more}>${t("more")}</button>`}
  </section>`;
}

function Table({ items }) {
  return html`<div class="table-box"><table class="data">
    <caption class="sr">${t("dead.caption")}</caption>
    <thead><tr><th scope="col">${t("dead.reason")}</th><th scope="col">${t("dead.stage")}</th><th scope="col">${t("dead.where")}</th><th scope="col">${t("dead.seen")}</th></tr></thead>
    <tbody>${items.map((letter) => html`<tr key=${letter.id}>
      <td><a class="who" href=${link("dead-letters", letter.id)}><b>${term("reason", letter.reason)}</b></a><small class="snippet" dir="auto">${letter.error}</small></td>
      <td data-label=${t("dead.stage")}>${letter.stage}</td>
      <td data-label=${t("dead.where")} class="mono small">${letter.topic}/${letter.partition}/${letter.offset}</td>
      <td data-label=${t("dead.seen")}><${When} at=${letter.first_seen_at} /></td>
    </tr>`)}</tbody></table></div>`;
}
