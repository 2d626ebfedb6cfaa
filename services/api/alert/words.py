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


_SENSITIVE_ZH = {"sensitive to price": "客户对价格敏感", "sensitive to quality": "客户看重质量"}


def playbook_reason_zh(body: AlertBody) -> str:
    """Return why the playbook was named, as the English reason has it; empty when none was."""
    if body.playbook is None:
        return ""
    said = (body.playbook_reason or "").rpartition(": ")[2]
    because = []
    if "the cause is" in said:
        because.append(f"流失原因为{CAUSES_ZH[body.cause]}")
    because += [f"客户为{TIERS_ZH[tier]}" for tier in TIERS_ZH if f"the customer is {tier}" in said]
    because += [words for english, words in _SENSITIVE_ZH.items() if english in said]
    return "，".join(because) or "没有更具体的方案适用"
