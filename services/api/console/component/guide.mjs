// The first run: nobody is known yet, and three steps lead to the first customer on screen.
import { problemText } from "../lib/actions.mjs";
import { api, may } from "../lib/api.mjs";
import { link } from "../lib/route.mjs";
import { t } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useEffect, useState } from "../lib/view.mjs";
import { Rich } from "./empty.mjs";
import { Icon } from "./icon.mjs";
import { Paste } from "./paste.mjs";

const LOOK_AGAIN_MS = 2_000;
const PLACEHOLDER = "pl_…";

/** Returns the command that sends one purchase; `key` may be the placeholder. */
function command(ingest, key, now) {
  const event = {
    type: "order.placed", id: "first-1", source: "my-shop", occurred_at: now, order_id: "1001", amount: "49.90", currency: "USD",
    customer: { id: "c-1", handles: ["mailto:ada@example.com"] },
  };
  return `curl -i ${ingest}/v1/events -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" -d '${JSON.stringify(event)}'`;
}

export function Guide() {
  const [key, setKey] = useState(null);
  const [ingest, setIngest] = useState(`${location.protocol}//${location.hostname}:8001`);
  const [first, setFirst] = useState(null);
  const [startedAt] = useState(() => new Date().toISOString());
  useEffect(() => {
    // Loopback is the service's own machine: the host that this page came from.
    if (may("connections:read")) api.connections().then(({ ingest_url: url }) => setIngest(url.replace("127.0.0.1", location.hostname)), () => {});
    const timer = setInterval(async () => {
      if (document.hidden) return;
      try {
        setFirst((await api.customers({ limit: 1 })).items[0] ?? null);
      } catch {
        // The next look may find the service again.
      }
    }, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const make = async () => {
    try {
      setKey((await api.newKey({ name: t("guide.keyname"), role: "integrator" })).key);
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  return html`<section class="guide" aria-labelledby="guide">
    <h2 id="guide">${t("guide.title")}</h2><p class="lead">${t("guide.lead")}</p>
    <ol class="guide-steps">
      <li class=${key ? "done" : ""}><h3>${t("guide.key")}</h3>
        ${key ? html`<p class="hint">${t("settings.keys.created")}</p><${Paste} text=${key} label=${t("guide.key")} />`
          : may("keys:write") ? html`<p class="hint">${t("guide.key.hint")}</p><button class="button" type="button" onClick=${make}><${Icon} name="key" />${t("guide.key.make")}</button>`
          : html`<p class="hint">${t("guide.key.ask")}</p>`}</li>
      <li class=${first ? "done" : ""}><h3>${t("guide.send")}</h3><p class="hint">${t("guide.send.hint")}</p>
        <${Paste} text=${command(ingest, key ?? PLACEHOLDER, startedAt)} label=${t("guide.send")} isBlock /></li>
      <li class=${first ? "done" : ""}><h3>${t("guide.see")}</h3>
        ${first ? html`<p role="status">${t("guide.seen")} <a href=${link("customers", first.customer_id)}>${first.name ?? first.customer_id}</a></p>`
          : html`<p class="hint" role="status"><span class="spinner" aria-hidden="true" /> ${t("guide.waiting")}</p>`}
        <p class="hint"><${Rich} text=${t("guide.more")} /></p></li>
    </ol>
  </section>`;
}
