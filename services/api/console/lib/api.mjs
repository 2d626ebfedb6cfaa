// Every call to the API, and what its refusals look like to a page. The only module that knows addresses.
import { LONGEST_MS, early } from "./first.mjs";
import { signal } from "./view.mjs";

/** Who is logged in: `{name, role, scopes, csrf_token}`; null when nobody is; undefined until asked. */
export const session = signal(undefined);

/** A refusal of the API (RFC 9457), or no answer at all when `status` is 0. */
export class Problem extends Error {
  constructor(status, body = {}, words) {
    super(words ?? body.detail ?? body.title ?? String(status));
    this.status = status;
    this.body = body;
  }

  get isConflict() {
    return this.status === 409 || this.status === 412;
  }
}

// What a form is told; the sentences are fetched when the first is needed. Without them the API's own words stand.
async function inWords(status, detail) {
  if (!detail || status >= 500 || [401, 403, 404, 429].includes(status)) return detail;
  const { toldRefusal } = await import("./reason.mjs").catch(() => ({ toldRefusal: (words) => words }));
  return toldRefusal(detail);
}

export const may = (scope) => session.value?.scopes?.includes(scope) ?? false;

async function call(method, path, { query, body, version, signal: abort, isLast = false } = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) if (one != null && one !== "") search.append(name, one);
  }
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (version !== undefined) headers["If-Match"] = `"${version}"`;
  if (method !== "GET" && session.value?.csrf_token) headers["X-CSRF-Token"] = session.value.csrf_token;
  const address = search.size ? `${path}?${search}` : path;
  let response;
  let text;
  try {
    // What was asked before the login was refused; it says nothing about now.
    response = method === "GET" ? await early(address)?.catch(() => undefined) : undefined;
    response = response?.ok ? response : await fetch(address, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      // What a page says while it closes is sent all the same.
      keepalive: isLast,
      credentials: "same-origin",
      signal: AbortSignal.any([abort, AbortSignal.timeout(LONGEST_MS)].filter(Boolean)),
    });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0);
  }
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    // A proxy between may answer with a page of its own.
  }
  if (response.status === 401 && session.value) session.value = null;
  if (!response.ok) throw new Problem(response.status, answer ?? {}, await inWords(response.status, answer?.detail));
  return answer;
}

const one = encodeURIComponent;

export const api = {
  session: () => call("GET", "/v1/session"),
  login: (key) => call("POST", "/v1/session", { body: { api_key: key } }),
  logout: () => call("DELETE", "/v1/session"),

  alerts: (query, abort) => call("GET", "/v1/alerts", { query, signal: abort }),
  alert: (id) => call("GET", `/v1/alerts/${one(id)}`),
  alertEvents: (id) => call("GET", `/v1/alerts/${one(id)}/events`),
  actOnMany: (action, ids, parameters) => call("POST", "/v1/alerts/bulk", { body: { action, alert_ids: ids, parameters } }),
  causes: (query) => call("GET", "/v1/alerts/causes", { query }),
  retention: (query) => call("GET", "/v1/kpis/retention", { query }),
  service: (query) => call("GET", "/v1/kpis/service", { query }),
  outcome: (query) => call("GET", "/v1/kpis/outcome", { query }),
  thresholdPreview: (query, abort) => call("GET", "/v1/alerts/threshold-preview", { query, signal: abort }),
  act: (id, action, body, version) => call("POST", `/v1/alerts/${one(id)}/${action}`, { body, version }),

  presence: (id) => call("PUT", `/v1/alerts/${one(id)}/presence`),
  leave: (id) => call("DELETE", `/v1/alerts/${one(id)}/presence`, { isLast: true }),

  customers: (query, abort) => call("GET", "/v1/customers", { query, signal: abort }),
  customer: (id) => call("GET", `/v1/customers/${one(id)}/profile`),
  timeline: (id, query) => call("GET", `/v1/customers/${one(id)}/timeline`, { query }),
  riskHistory: (id) => call("GET", `/v1/customers/${one(id)}/risk-history`),
  atRisk: (query) => call("GET", "/v1/customers/at-risk", { query }),
  segments: () => call("GET", "/v1/segments"),
  newSegment: (body) => call("POST", "/v1/segments", { body }),
  putSegment: (id, body) => call("PUT", `/v1/segments/${one(id)}`, { body }),
  removeSegment: (id) => call("DELETE", `/v1/segments/${one(id)}`),
  label: (source, eventId, label) => call("PUT", `/v1/labels/${one(source)}/${one(eventId)}`, { body: { label } }),

  conflicts: (query) => call("GET", "/v1/identity/conflicts", { query }),
  decide: (id, body, version) => call("POST", `/v1/identity/conflicts/${one(id)}/decide`, { body, version }),
  link: (body) => call("POST", "/v1/identity/links", { body }),
  unlink: (body) => call("POST", "/v1/identity/links/end", { body }),
  linkHistory: (id) => call("GET", `/v1/identity/customers/${one(id)}/history`),

  deadLetters: (query) => call("GET", "/v1/dead-letters", { query }),
  deadLetterCounts: () => call("GET", "/v1/dead-letters/counts"),
  deadLetter: (id) => call("GET", `/v1/dead-letters/${one(id)}`),
  replay: (id, body) => call("POST", `/v1/dead-letters/${one(id)}/replay`, { body }),
  replayMany: (ids) => call("POST", "/v1/dead-letters/replay", { body: { ids } }),
  discardMany: (ids, reason) => call("POST", "/v1/dead-letters/discard", { body: { ids, reason } }),
  discard: (id, reason) => call("POST", `/v1/dead-letters/${one(id)}/discard`, { body: { reason } }),

  providers: () => call("GET", "/v1/providers"),
  connections: () => call("GET", "/v1/connections"),
  newConnection: (body) => call("POST", "/v1/connections", { body }),
  changeConnection: (id, body) => call("PATCH", `/v1/connections/${one(id)}`, { body }),
  removeConnection: (id) => call("DELETE", `/v1/connections/${one(id)}`),
  testConnection: (id) => call("POST", `/v1/connections/${one(id)}/test`),

  policies: (kind) => call("GET", `/v1/${kind}`),
  newPolicy: (kind, body) => call("POST", `/v1/${kind}`, { body }),
  putPolicy: (kind, id, body) => call("PUT", `/v1/${kind}/${one(id)}`, { body }),
  removePolicy: (kind, id) => call("DELETE", `/v1/${kind}/${one(id)}`),

  endpoints: () => call("GET", "/v1/webhooks"),
  newEndpoint: (body) => call("POST", "/v1/webhooks", { body }),
  changeEndpoint: (id, body) => call("PATCH", `/v1/webhooks/${one(id)}`, { body }),
  removeEndpoint: (id) => call("DELETE", `/v1/webhooks/${one(id)}`),
  testEndpoint: (id) => call("POST", `/v1/webhooks/${one(id)}/test`),
  replayEndpoint: (id, since) => call("POST", `/v1/webhooks/${one(id)}/replay`, { body: { since } }),
  deliveries: (id, query) => call("GET", `/v1/webhooks/${one(id)}/deliveries`, { query }),

  keys: () => call("GET", "/v1/keys"),
  newKey: (body) => call("POST", "/v1/keys", { body }),
  revokeKey: (id) => call("DELETE", `/v1/keys/${one(id)}`),
  audit: (query) => call("GET", "/v1/audit", { query }),
};
