"""What an alert event says in each receiver's words, in Chinese and English. Pure."""

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
}
_SEVERITIES = {"low": "低", "medium": "中", "high": "高", "critical": "紧急"}
_view = msgspec.json.Decoder(AlertView)


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
    head, rest = title(row, language), lines(row, language)
    match kind:
        case "slack":
            text = _slack(f"*{head}*\n" + "\n".join(f"• {line}" for line in rest))
            return {"text": text}
        case "wecom":
            return {"msgtype": "markdown", "markdown": {"content": _markdown(head, rest)}}
        case "dingtalk":
            return {"msgtype": "markdown", "markdown": {"title": head, "text": _markdown(head, rest)}}
        case "feishu":
            return {"msg_type": "text", "content": {"text": "\n".join([head, *rest])}}
        case "webhook" | "email":
            return {"type": row.type, "timestamp": row.at, "data": row}


def _slack(text: str) -> str:
    # Source: Slack, "Formatting text for app surfaces": these three and no others are escaped.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown(head: str, rest: list[str]) -> str:
    return "\n".join([f"**{head}**", *(f"> {line}" for line in rest)])
