// An alert's history: who did what, when, and what they said about it.
import { dateTime, localised, t, term } from "../lib/text.mjs";
import { html } from "../lib/view.mjs";
import { Icon } from "./icon.mjs";
import { When } from "./when.mjs";

const ICONS = {
  "alert.raised": "alerts",
  "alert.updated": "alerts",
  "alert.acknowledged": "check",
  "alert.assigned": "user",
  "alert.snoozed": "clock",
  "alert.woken": "clock",
  "alert.escalated": "up",
  "alert.contacted": "phone",
  "alert.commented": "comment",
  "alert.promised": "clock",
  "alert.breached": "clock",
};

function heading({ type, event }) {
  const values = {
    assignee: event.assignee,
    until: event.until && dateTime(event.until),
    level: event.level,
    channel: term("channel", event.channel),
    resolution: term("resolution", event.resolution ?? event.reason),
  };
  if (type === "alert.assigned" && !event.assignee) return t("event.alert.unassigned");
  return t(`event.${type}`, values);
}

const ENGINE_ACTORS = { engine: "engine", clock: "clock" };

export function Life({ steps }) {
  const newestFirst = [...steps].sort((a, b) => b.version - a.version);
  return html`<ol class="timeline life">
    ${newestFirst.map((step) => html`<li class="event" key=${step.version}>
      <span class="event-icon"><${Icon} name=${ICONS[step.type] ?? "check"} size=${14} /></span>
      <div class="event-body">
        <div class="event-head"><b>${heading(step)}</b>
          <span class="hint" dir="auto">${ENGINE_ACTORS[step.actor] ? t(ENGINE_ACTORS[step.actor]) : step.actor}</span>
          <span class="spacer" /><span class="hint"><${When} at=${step.at} /></span></div>
        ${step.event.text && html`<p class="event-text" dir="auto">${step.event.text}</p>`}
        ${step.event.note && html`<p class="event-text" dir="auto">${step.event.note}</p>`}
        ${step.event.body && html`<p class="event-text hint" dir="auto">${localised(step.event.body, "summary")}</p>`}
      </div>
    </li>`)}
  </ol>`;
}
