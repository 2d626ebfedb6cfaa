"""An alert in words: one sentence why, and the risk's reasons, in English and Chinese, numbers as people write them."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter

from msgspec import Struct

from shared.contracts.alert import RiskReason, Signal

# A sentence of more parts is not read; the rest stands in the alert's list of signals.
REASONS_TOLD = 3
# A small risk beside a complaint would talk the complaint down.
LEAST_RISK_TOLD = 0.3
# Log-odds under which a group of terms is not worth a line.
LEAST_CONTRIBUTION = 0.1


def summary(
    signals: Sequence[Signal], p_churn: float | None, horizon_days: float, is_about_contacts: bool = False
) -> tuple[str, str]:
    """Return one sentence in English and one in Chinese: the strongest reasons, and how likely the customer is gone."""
    told = signals[:REASONS_TOLD]
    en = "; ".join(signal.reason_en for signal in told) or "the customer has gone quiet"
    zh = "；".join(signal.reason_zh for signal in told) or "客户已沉默"
    if p_churn is not None and p_churn >= LEAST_RISK_TOLD:
        percent = min(max(round(100 * p_churn), 1), 99)
        verb_en, verb_zh = ("get in touch", "联系") if is_about_contacts else ("buy", "购买")
        en += f"; {percent}% likely not to {verb_en} in the next {horizon_days:.0f} days"
        zh += f"；未来{horizon_days:.0f}天不再{verb_zh}的概率约{percent}%"
    return f"{en[0].upper()}{en[1:]}.", f"{zh}。"


class RiskFacts(Struct, frozen=True, gc=False):
    """The numbers that the reasons quote; `n` counts purchases, or contacts where those are what falls silent."""

    silence_days: int
    usual_gap_days: float
    n: int
    is_about_contacts: bool = False


# Reason group of the score -> (raises: English, Chinese; lowers: English, Chinese).
_TEXTS: dict[str, tuple[str, str, str, str]] = {
    "beyond_own_history": (
        "%(u)d days of silence are more than this customer's own rhythm explains",
        "沉默%(u)d天，超出该客户自身的购买节奏",
        "%(u)d days of silence fit this customer's own rhythm",
        "沉默%(u)d天，符合该客户自身的购买节奏",
    ),
    "overdue_against_usual_gap": (
        "overdue: %(u)d days against a usual gap of %(g)s",
        "已逾期：沉默%(u)d天，通常间隔%(g)s天",
        "not overdue: %(u)d days against a usual gap of %(g)s",
        "未逾期：沉默%(u)d天，通常间隔%(g)s天",
    ),
    "silence_and_history": (
        "quiet for %(u)d days after only %(n)d purchases",
        "仅购买%(n)d次后沉默%(u)d天",
        "%(n)d purchases so far and %(u)d days of silence",
        "累计购买%(n)d次，沉默%(u)d天",
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


def _about_contacts(text: str) -> str:
    for bought, contacted in _CONTACT_WORDS:
        text = text.replace(bought, contacted)
    return text


_CONTACT_WORDS = (
    ("purchases", "contacts"),
    ("bought less", "got in touch less"),
    ("bought often", "got in touch often"),
    ("buys less", "gets in touch less"),
    ("buys more", "gets in touch more"),
    ("购买", "联系"),
)

# Silence in days, usual gap, number of purchases.
Numbers = tuple[int, str, int]
Told = Callable[[Numbers], tuple[str, str]]
"""Gives a reason's sentence in English and Chinese."""

_PLACES = {"u": 0, "g": 1, "n": 2}
# Many customers share their numbers: most sentences were said before.
_SENTENCES_KEPT = 1_024


def _told(en: str, zh: str) -> Told:
    names = sorted(set(re.findall(r"%\((.)\)", en + zh)), key=_PLACES.__getitem__)
    if not names:
        return lambda _: (en, zh)

    @lru_cache(_SENTENCES_KEPT)
    def fill(picked: tuple[int | str, ...]) -> tuple[str, str]:
        numbers = dict(zip(names, picked, strict=True))
        return en % numbers, zh % numbers

    if len(names) == 1:
        place = _PLACES[names[0]]
        return lambda numbers: fill((numbers[place],))
    pick = itemgetter(*[_PLACES[name] for name in names])
    return lambda numbers: fill(pick(numbers))


def _sentences(group: tuple[str, str, str, str]) -> tuple[Told, Told]:
    """Return the sentences of a group that raises and of one that lowers."""
    raises_en, raises_zh, lowers_en, lowers_zh = group
    return _told(raises_en, raises_zh), _told(lowers_en, lowers_zh)


_SENTENCES = {group: _sentences(texts) for group, texts in _TEXTS.items()}
_CONTACT_SENTENCES = {
    group: _sentences((_about_contacts(a), _about_contacts(b), _about_contacts(c), _about_contacts(d)))
    for group, (a, b, c, d) in _TEXTS.items()
}


def risk_reasons(groups: Sequence[str], contributions: Sequence[float], facts: RiskFacts) -> list[RiskReason]:
    """Return the three groups that move the risk most, strongest first, each with its sentence in both languages."""
    sizes = list(map(abs, contributions))
    ranked = sorted(range(len(groups) - 1, -1, -1), key=sizes.__getitem__, reverse=True)[:REASONS_TOLD]
    gap = f"{facts.usual_gap_days:.0f}" if facts.usual_gap_days >= 1 else "1"
    numbers = (facts.silence_days, gap, facts.n)
    all_texts = _CONTACT_SENTENCES if facts.is_about_contacts else _SENTENCES
    reasons = []
    for index in ranked:
        if sizes[index] < LEAST_CONTRIBUTION:
            break
        contribution, group = contributions[index], groups[index]
        en, zh = all_texts[group][contribution <= 0](numbers)
        reasons.append(RiskReason(group, round(contribution, 3), en, zh))
    return reasons
