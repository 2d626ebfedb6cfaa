"""What an alert says in Chinese where its event says it in English alone. Pure."""

from shared.contracts.alert import AlertBody, Cause, Tier

CAUSES_ZH: dict[Cause, str] = {
    "price": "价格",
    "quality": "质量",
    "function": "功能",
    "logistics": "物流",
    "after_sales": "售后",
    "attitude": "服务态度",
    "waiting": "等待过久",
    "billing": "账单",
    "competitor": "竞品",
    "unknown": "原因未知",
}
TIERS_ZH: dict[Tier, str] = {
    "new": "新客户",
    "bronze": "青铜客户",
    "silver": "白银客户",
    "gold": "黄金客户",
    "platinum": "铂金客户",
}


def playbook_reason_zh(body: AlertBody) -> str:
    """Return why the playbook was named, by cause and tier; empty when none was."""
    if body.playbook is None:
        return ""
    cause = "流失原因尚不明确" if body.cause == "unknown" else f"流失原因为{CAUSES_ZH[body.cause]}"
    return cause if body.risk is None else f"{cause}，客户等级为{TIERS_ZH[body.risk.tier]}"
