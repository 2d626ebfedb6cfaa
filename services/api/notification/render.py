"""What an alert event says in each receiver's words, in Chinese and English. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.api.alert.schemas import AlertEventRow, AlertView
from services.api.notification.model import EndpointKind, Language

_EVENTS: dict[str, tuple[str, str]] = {
    "alert.raised": ("Customer at risk", "客户流失预警"),
    "alert.updated": ("New evidence", "预警有新证据"),
    "alert.cleared": ("Alert cleared", "预警已解除"),
    "alert.acknowledged": ("Acknowledged", "已受理"),
    "alert.assigned": ("Assigned", "已分派"),
    "alert.snoozed": ("Snoozed", "已暂缓"),
    "alert.woken": ("Snooze over", "暂缓到期"),
    "alert.escalated": ("Escalated", "已升级"),
    "alert.contacted": ("Customer contacted", "已联系客户"),
    "alert.resolved": ("Resolved", "已处理"),
    "alert.reopened": ("Reopened", "已重新打开"),
    "alert.expired": ("Expired", "已过期"),
    "alert.commented": ("Comment", "新备注"),
    "alert.promised": ("Due", "已设定时限"),
    "alert.breached": ("Overdue", "已超时限"),
}
_SEVERITIES = {"low": "低", "medium": "中", "high": "高", "critical": "紧急"}
# Chat bots cut messages at 4 KB or less.
_LONGEST_DIGEST = 30
_view = msgspec.json.Decoder(AlertView)


def severity_of(row: AlertEventRow) -> str:
    return _view.decode(row.alert).severity


def title(row: AlertEventRow, language: Language) -> str:
    """Return one line: what happened, to whom, how bad."""
    alert = _view.decode(row.alert)
    english, chinese = _EVENTS[row.type]
    if language == "zh":
        return f"【{_SEVERITIES[alert.severity]}】{chinese}：{row.customer_id}"
    return f"[{alert.severity}] {english}: {row.customer_id}"


def lines(row: AlertEventRow, language: Language) -> list[str]:
    """Return the reasons behind the alert, a line each."""
    alert = _view.decode(row.alert)
    if language == "zh":
        said = [alert.summary_zh, *(signal.reason_zh for signal in alert.signals)]
        loss = f"预计损失：{alert.expected_loss:,.2f}" if alert.expected_loss is not None else ""
        playbook = f"建议方案：{alert.playbook}" if alert.playbook else ""
    else:
        said = [alert.summary_en, *(signal.reason_en for signal in alert.signals)]
        loss = f"Expected loss: {alert.expected_loss:,.2f}" if alert.expected_loss is not None else ""
        playbook = f"Playbook: {alert.playbook}" if alert.playbook else ""
    return [line for line in [*said, loss, playbook] if line]


def body(kind: EndpointKind, row: AlertEventRow, language: Language) -> dict[str, Any]:
    """Return the JSON a receiver of this kind understands."""
    if kind in ("webhook", "email"):
        return {"type": row.type, "timestamp": row.at, "data": row}
    return _chat(kind, title(row, language), lines(row, language))


def _chat(kind: EndpointKind, head: str, rest: list[str]) -> dict[str, Any]:
    match kind:
        case "slack":
            text = _slack(f"*{head}*\n" + "\n".join(f"• {line}" for line in rest))
            return {"text": text}
        case "wecom":
            return {"msgtype": "markdown", "markdown": {"content": _markdown(head, rest)}}
        case "dingtalk":
            return {"msgtype": "markdown", "markdown": {"title": head, "text": _markdown(head, rest)}}
        case _:
            return {"msg_type": "text", "content": {"text": "\n".join([head, *rest])}}


def digest_title(rows: Sequence[AlertEventRow], language: Language) -> str:
    """Return one line: how many events of how many customers."""
    n_customers = len({row.customer_id for row in rows})
    if language == "zh":
        return f"预警汇总：{len(rows)} 条动态，涉及 {n_customers} 位客户"
    events = "1 alert event" if len(rows) == 1 else f"{len(rows)} alert events"
    return f"{events} of {n_customers} {'customer' if n_customers == 1 else 'customers'}"


def digest_lines(rows: Sequence[AlertEventRow], language: Language) -> list[str]:
    """Return one line an event, and how many were left out of a long digest."""
    shown = [title(row, language) for row in rows[:_LONGEST_DIGEST]]
    n_more = len(rows) - len(shown)
    more = f"另有 {n_more} 条" if language == "zh" else f"and {n_more} more"
    return [*shown, more] if n_more else shown


def digest_body(kind: EndpointKind, rows: Sequence[AlertEventRow], language: Language, at: datetime) -> dict[str, Any]:
    """Return the JSON of many events as one message; a webhook gets them all, in order."""
    if kind in ("webhook", "email"):
        return {"type": "alerts.digest", "timestamp": at, "data": list(rows)}
    return _chat(kind, digest_title(rows, language), digest_lines(rows, language))


def _slack(text: str) -> str:
    # Source: Slack, "Formatting text for app surfaces": these three and no others are escaped.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown(head: str, rest: list[str]) -> str:
    return "\n".join([f"**{head}**", *(f"> {line}" for line in rest)])
