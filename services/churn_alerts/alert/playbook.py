"""Which playbook an alert names and why: the most specific one that fits cause, tier and sensitivity."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import msgspec
from msgspec import Struct

from shared.contracts.alert import Cause, Tier
from shared.contracts.event import Name
from shared.errors import Reject

Sensitivity = Literal["price", "quality", "unknown"]

# Money does not mend these; it teaches customers to complain.
NEVER_DISCOUNTED: Final[frozenset[Cause]] = frozenset(
    {"quality", "function", "logistics", "after_sales", "attitude", "waiting", "billing"}
)

# What the console calls them, in English and Chinese.
_CAUSES: Final[Mapping[Cause, tuple[str, str]]] = {
    "price": ("price", "价格"),
    "quality": ("quality", "质量"),
    "function": ("function", "功能"),
    "logistics": ("delivery", "物流"),
    "after_sales": ("after-sales", "售后"),
    "attitude": ("attitude", "服务态度"),
    "waiting": ("waiting", "等待过久"),
    "billing": ("billing", "账单"),
    "competitor": ("a competitor", "竞品"),
    "unknown": ("unknown", "原因未知"),
}
_TIERS_ZH: Final[Mapping[Tier, str]] = {
    "new": "新客户",
    "bronze": "青铜客户",
    "silver": "白银客户",
    "gold": "黄金客户",
    "platinum": "铂金客户",
}
_SENSITIVITIES_ZH: Final[Mapping[Sensitivity, str]] = {
    "price": "客户对价格敏感",
    "quality": "客户看重质量",
    "unknown": "客户看重什么尚不清楚",
}


class Playbook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to act. Empty `causes`, `tiers` or `sensitivities` fit any."""

    name: Name
    title_en: str
    title_zh: str
    causes: tuple[Cause, ...] = ()
    tiers: tuple[Tier, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()
    offers_discount: bool = False
    steps_en: tuple[str, ...] = ()
    steps_zh: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.offers_discount and (not self.causes or NEVER_DISCOUNTED.intersection(self.causes)):
            raise ValueError(f"playbook {self.name} offers a discount; its causes may only be price and competitor")


def read_playbooks(yaml_text: bytes) -> list[Playbook]:
    """Return the playbooks of a YAML list. Raises `Reject` naming the wrong member, or a discount where none may be."""
    try:
        return msgspec.yaml.decode(yaml_text, type=list[Playbook])
    except (msgspec.DecodeError, ValueError) as error:
        raise Reject(f"not a list of playbooks: {error}") from error


def shipped_playbooks() -> list[Playbook]:
    """Return the playbooks the product ships with."""
    return list(_shipped())


@cache
def _shipped() -> tuple[Playbook, ...]:
    return tuple(read_playbooks((files(__package__) / "playbooks.yaml").read_bytes()))


def sensitivity_of(cause: Cause, is_basket_shrinking: bool) -> Sensitivity:
    """Return what the customer minds: the cause says it, and without one, shrinking baskets point at the price."""
    if cause in ("price", "competitor"):
        return "price"
    if cause in NEVER_DISCOUNTED:
        return "quality"
    return "price" if is_basket_shrinking else "unknown"


class Choice(Struct, frozen=True, gc=False):
    """The playbook chosen and one sentence why, in English and Chinese."""

    name: Name
    reason_en: str
    reason_zh: str


def choose_playbook(playbooks: Sequence[Playbook], cause: Cause, tier: Tier, sensitivity: Sensitivity) -> Choice | None:
    """Return the most specific playbook that fits, or None if none fits.

    A named cause outweighs a named tier, a tier a sensitivity; among equals the first listed wins.
    """
    best: tuple[int, Playbook] | None = None
    for playbook in playbooks:
        asked: tuple[tuple[Sequence[str], str, int], ...] = (
            (playbook.causes, cause, 4),
            (playbook.tiers, tier, 2),
            (playbook.sensitivities, sensitivity, 1),
        )
        if any(wanted and value not in wanted for wanted, value, _ in asked):
            continue
        specific = sum(points for wanted, _, points in asked if wanted)
        if best is None or specific > best[0]:
            best = specific, playbook
    if best is None:
        return None
    chosen = best[1]
    cause_en, cause_zh = _CAUSES[cause]
    because = [
        sentence
        for wanted, sentence in (
            (chosen.causes, (f"the cause is {cause_en}", f"流失原因为{cause_zh}")),
            (chosen.tiers, (f"the customer is {tier}", f"客户为{_TIERS_ZH[tier]}")),
            (
                chosen.sensitivities,
                (f"the customer is sensitive to {sensitivity}", _SENSITIVITIES_ZH[sensitivity]),
            ),
        )
        if wanted
    ] or [("nothing more specific fits", "没有更具体的方案适用")]
    en, zh = zip(*because, strict=True)
    return Choice(chosen.name, f"{chosen.title_en}: {' and '.join(en)}", f"{chosen.title_zh}：{'，'.join(zh)}")
