// What a person does to an alert: sent with the version they saw, so that nobody overwrites a colleague unawares.
import { alertOf, learn } from "./alerts.mjs";
import { api } from "./api.mjs";
import { t, term, dateTime } from "./text.mjs";
import { tell } from "./toast.mjs";

const ADDING = ["comment", "contact"];
const running = new Map();

/** Sends the action; returns true when it is done. A conflict brings the present state and says who changed it. A list is acted on in one request. */
export async function act(alert, action, body = {}) {
  if (Array.isArray(alert)) return actOnMany(alert, action, body);
  // A person's own actions follow each other; the second one has then seen what the first one did.
  const turn = (running.get(alert.alert_id) ?? Promise.resolve()).then(() => actOnOne(alert, action, body));
  running.set(alert.alert_id, turn);
  try {
    return await turn;
  } finally {
    if (running.get(alert.alert_id) === turn) running.delete(alert.alert_id);
  }
}

async function actOnOne(alert, action, body) {
  const seen = alertOf(alert.alert_id) ?? alert;
  try {
    // What only adds to the history overwrites nothing, whatever has happened meanwhile.
    const answer = await api.act(alert.alert_id, action, body, ADDING.includes(action) ? undefined : seen.version);
    if (answer?.alert_id && answer.version) learn(answer);
    tell(t(`done.${action}`, { customer: alert.customer_name || alert.customer_id }));
    return true;
  } catch (problem) {
    if (problem.isConflict) tell(await conflictText(alert, problem), "warning");
    else tell(problemText(problem), "error");
    return false;
  }
}

const MOST_AT_ONCE = 500;

async function actOnMany(alerts, action, body) {
  try {
    const ids = alerts.slice(0, MOST_AT_ONCE).map(({ alert_id: id }) => id);
    const { n_done: n, n_refused } = await api.actOnMany(action, ids, body);
    tell(n_refused ? t("bulk.refused", { n, refused: n_refused }) : t("bulk.done", { n }), n_refused ? "warning" : "done");
    return true;
  } catch (problem) {
    tell(problemText(problem), "error");
    return false;
  }
}

async function conflictText(alert, problem) {
  let present = problem.body.present;
  if (!present) {
    try {
      present = await api.alert(alert.alert_id);
    } catch {
      // Gone or unreachable: then nobody can say more than that it changed.
    }
  }
  if (!present?.alert_id) return t("conflict.unknown");
  learn(present);
  const values = { status: term("status", present.status), who: present.acknowledged_by || present.resolved_by || present.assignee || "" };
  if (present.status === "acknowledged" && present.acknowledged_by) return t("conflict.acknowledged", values);
  if (present.status === "resolved" && present.resolved_by) {
    return t("conflict.resolved", { ...values, who: present.resolved_by, how: term("resolution", present.resolution) });
  }
  if (present.status === "snoozed") return t("conflict.snoozed", { until: dateTime(present.snoozed_until) });
  return t("conflict.changed", values);
}

/** Returns why the API refused, in words for a person. */
export function problemText(problem) {
  if (problem.status === 0) return t("problem.offline");
  if (problem.status === 401) return t("problem.session");
  if (problem.status === 403) return t("problem.forbidden");
  if (problem.status === 404) return t("problem.missing");
  if (problem.status === 429) return t("problem.rate");
  if (problem.status >= 500) return t("problem.server", { status: String(problem.status) });
  return problem.message;
}
