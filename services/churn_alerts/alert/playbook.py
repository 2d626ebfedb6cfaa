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

# What people say where it is not the cause's own name; the console says the same.
_SAID: Final[Mapping[Cause, str]] = {"logistics": "delivery", "after_sales": "after-sales"}


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


def choose_playbook(
    playbooks: Sequence[Playbook], cause: Cause, tier: Tier, sensitivity: Sensitivity
) -> tuple[str, str] | None:
    """Return the name of the most specific playbook that fits and one sentence why, or None if none fits.

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
    because = [
        text
        for wanted, text in (
            (chosen.causes, f"the cause is {_SAID.get(cause, cause)}"),
            (chosen.tiers, f"the customer is {tier}"),
            (chosen.sensitivities, f"the customer is sensitive to {sensitivity}"),
        )
        if wanted
    ]
    return chosen.name, f"{chosen.title_en}: {' and '.join(because) or 'nothing more specific fits'}"
