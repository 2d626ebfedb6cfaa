"""An alert in words: one sentence why, and the risk's reasons, in English and Chinese, numbers as people write them."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.contracts.alert import RiskReason, Signal

# A sentence of more parts is not read; the rest stands in the alert's list of signals.
REASONS_TOLD = 3
# Log-odds under which a group of terms is not worth a line.
LEAST_CONTRIBUTION = 0.1


def summary(signals: Sequence[Signal], p_churn: float | None, horizon_days: float) -> tuple[str, str]:
    """Return one sentence in English and one in Chinese: the strongest reasons, and how likely the customer is gone."""
    told = signals[:REASONS_TOLD]
    en = "; ".join(signal.reason_en for signal in told) or "the customer has gone quiet"
    zh = "；".join(signal.reason_zh for signal in told) or "客户已沉默"
    if p_churn is not None:
        percent = min(max(round(100 * p_churn), 1), 99)
        en += f"; {percent}% likely not to buy in the next {horizon_days:.0f} days"
        zh += f"；未来{horizon_days:.0f}天不再购买的概率约{percent}%"
    return f"{en[0].upper()}{en[1:]}.", f"{zh}。"


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """The numbers that the reasons quote."""

    silence_days: int
    usual_gap_days: float
    n_purchases: int


# Reason group of the score -> (raises: English, Chinese; lowers: English, Chinese).
_TEXTS: dict[str, tuple[str, str, str, str]] = {
    "beyond_own_history": (
        "{u} days of silence are more than this customer's own rhythm explains",
        "沉默{u}天，超出该客户自身的购买节奏",
        "{u} days of silence fit this customer's own rhythm",
        "沉默{u}天，符合该客户自身的购买节奏",
    ),
    "overdue_against_usual_gap": (
        "overdue: {u} days against a usual gap of {g}",
        "已逾期：沉默{u}天，通常间隔{g}天",
        "not overdue: {u} days against a usual gap of {g}",
        "未逾期：沉默{u}天，通常间隔{g}天",
    ),
    "silence_and_history": (
        "quiet for {u} days after only {n}",
        "仅购买{n}次后沉默{u}天",
        "{n} so far and {u} days of silence",
        "累计购买{n}次，沉默{u}天",
    ),
    "gaps_growing": (
        "the gaps between purchases are long or growing",
        "购买间隔偏长或在变长",
        "the gaps between purchases are short or shrinking",
        "购买间隔偏短或在变短",
    ),
    "baskets_shrinking": (
        "the baskets are small or shrinking",
        "每次消费金额偏低或在下降",
        "the baskets are large or growing",
        "每次消费金额偏高或在上升",
    ),
    "returns": ("goods were returned lately", "近期有退货", "no goods were returned lately", "近期没有退货"),
    "buying_less": (
        "bought less in the last weeks and months",
        "近几周和几个月购买减少",
        "bought often in the last weeks and months",
        "近几周和几个月购买频繁",
    ),
    "less_than_usual_customer": (
        "buys less than the usual customer of the same age",
        "购买少于同期的一般客户",
        "buys more than the usual customer of the same age",
        "购买多于同期的一般客户",
    ),
}


def risk_reasons(groups: Sequence[str], contributions: Sequence[float], facts: RiskFacts) -> list[RiskReason]:
    """Return the three groups that move the risk most, strongest first, each with its sentence in both languages."""
    ranked = sorted(zip(groups, contributions, strict=True), key=lambda pair: -abs(pair[1]))[:REASONS_TOLD]
    u = facts.silence_days
    gap = f"{facts.usual_gap_days:.0f}" if facts.usual_gap_days >= 1 else "1"
    n = facts.n_purchases
    reasons = []
    for group, contribution in ranked:
        if abs(contribution) < LEAST_CONTRIBUTION:
            break
        up_en, up_zh, down_en, down_zh = _TEXTS[group]
        en, zh = (up_en, up_zh) if contribution > 0 else (down_en, down_zh)
        reasons.append(
            RiskReason(
                group,
                round(contribution, 3),
                en.format(u=u, g=gap, n=f"{n} purchase{'' if n == 1 else 's'}"),
                zh.format(u=u, g=gap, n=n),
            )
        )
    return reasons
