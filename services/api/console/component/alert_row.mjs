// One alert in a list: severity, who, one sentence why, what it costs, and whether somebody has it in hand.
import { alertOf, pick, picked } from "../lib/alerts.mjs";
import { may } from "../lib/api.mjs";
import { isPlacing } from "../lib/focus.mjs";
import { isDemo, nameOf } from "../lib/names.mjs";
import { link, route, setQuery } from "../lib/route.mjs";
import { chance, localised, riskMoney, t, term } from "../lib/text.mjs";
import { html, useLayoutEffect, useRef } from "../lib/view.mjs";
import { Chip, Demo, HeldOut, Meter, Status, Tier } from "./badge.mjs";
import { PromiseBadge } from "./promise.mjs";
import { When } from "./when.mjs";

export function AlertRow({ id, isSelected, isTabStop, isFresh }) {
  const element = useRef(null);
  const wasSelected = useRef(false);
  // After every drawing: a row that is moved within the list, because another has come, loses the focus to nobody.
  useLayoutEffect(() => {
    const isLost = document.activeElement === document.body;
    if (isSelected && (isLost || !wasSelected.current)) element.current?.focus({ preventScroll: true });
    // The row now shows another alert: keys pressed here would mean one that nobody chose.
    else if (!isSelected && wasSelected.current && document.activeElement === element.current) element.current?.blur();
    wasSelected.current = isSelected;
  });
  const alert = alertOf(id);
  if (!alert) return null;
  const name = nameOf(alert.customer_id);
  const loss = alert.expected_loss == null ? null : riskMoney(alert.expected_loss, alert.risk);
  const remember = () => setQuery({ at: id });
  return html`${may("alerts:write") && html`<label class="pick"><span class="sr">${t("bulk.pick", { customer: name ?? alert.customer_id })}</span>
      <input type="checkbox" tabindex=${isTabStop ? 0 : -1} checked=${picked.value.has(id)} onChange=${(event) => pick(id, event.target.checked)} /></label>`}
  <a ref=${element} class=${`row alert-row ${alert.severity} ${isFresh ? "fresh" : ""}`} tabindex=${isTabStop ? 0 : -1}
      href=${link("alerts", id, Object.fromEntries(route.value.query))} aria-current=${isSelected ? "true" : null}
      onFocus=${() => isSelected || isPlacing() || remember()} data-alert=${id}>
    <span class="row-severity" title=${term("severity", alert.severity)}><${Meter} severity=${alert.severity} /><span class="sr">${term("severity", alert.severity)}</span></span>
    <span class="row-who">
      <span class="row-name"><b dir="auto">${name ?? alert.customer_id}</b><${Tier} tier=${alert.tier} />
        ${isDemo(alert.customer_id) && html`<${Demo} />`}
        <${HeldOut} of=${alert} />
        <${PromiseBadge} alert=${alert} />
        ${alert.escalation_level > 0 && html`<span class="level">${t("alert.escalated", { level: alert.escalation_level })}</span>`}</span>
      <span class="row-why" dir="auto">${localised(alert, "summary")}</span>
    </span>
    <span class="row-cause"><${Chip}>${term("cause", alert.cause)}</${Chip}></span>
    <span class="row-risk right"><span class="sr">${t("alerts.head.risk")}</span>${alert.risk ? chance(alert.risk.p_churn) : t("none")}</span>
    <span class="row-loss right"><span class="sr">${t("alerts.head.loss")}</span><b>${loss ?? t("none")}</b></span>
    <span class="row-age right"><${When} at=${alert.raised_at} style="narrow" /></span>
    <span class="row-status"><${Status} status=${alert.status} />
      <small class="row-owner" dir="auto">${alert.assignee ?? alert.acknowledged_by ?? ""}</small>
      <small class="row-more" aria-hidden="true">${term("cause", alert.cause)}${alert.risk && ` · ${t("alerts.head.risk")} ${chance(alert.risk.p_churn)}`}</small></span>
  </a>`;
}
