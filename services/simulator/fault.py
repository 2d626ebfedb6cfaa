"""Faults on demand: what real senders do wrong, planned from the seed, each with the outcome that is right for it."""

from random import Random
from typing import Final, Literal

import msgspec
from msgspec import Struct

from services.simulator.script import Step

Kind = Literal["duplicates", "late", "out_of_order", "malformed"]
KINDS: Final[tuple[Kind, ...]] = ("duplicates", "late", "out_of_order", "malformed")
Damage = Literal["", "forged", "cut", "invalid"]

_LATE_HOURS: Final = (1.0, 72.0)
_SHUFFLED_MS: Final = 6 * 3_600_000
_HOUR_MS: Final = 3_600_000
# A cut form or mail may still be readable; a cut JSON document never is.
_CUT_IS_UNREADABLE: Final = frozenset(
    {"slack", "meta", "line", "telegram", "zendesk", "intercom", "chatwoot", "segment"}
)


class Planned(Struct, frozen=True, kw_only=True):
    """A step, when it is sent (by simulated time), what is wrong with it, and the status that should answer it."""

    step: Step
    send_ms: int
    fault: Kind | Literal[""] = ""
    damage: Damage = ""
    expects: int = 0


def plan(steps: list[Step], rates: dict[Kind, float], chance: Random, until_ms: int) -> list[Planned]:
    """Return the steps as they are sent, in that order; a rate is the share of steps a fault befalls.

    Nothing is sent before it happened, and nothing after the world's end: what would be late by then comes last.
    """
    planned: list[Planned] = []
    for step in steps:
        send_ms = 0 if step.is_profile else step.at_ms
        fault: Kind | Literal[""] = ""
        if not step.is_profile:
            if chance.random() < rates.get("late", 0.0):
                fault, send_ms = "late", step.at_ms + int(chance.uniform(*_LATE_HOURS) * _HOUR_MS)
            elif chance.random() < rates.get("out_of_order", 0.0):
                fault, send_ms = "out_of_order", step.at_ms + int(chance.uniform(0, _SHUFFLED_MS))
        planned.append(_sound(step, min(send_ms, until_ms), fault))
        if step.is_profile:
            continue
        if chance.random() < rates.get("duplicates", 0.0):
            again_ms = min(send_ms + int(chance.uniform(0, 4) * _HOUR_MS), until_ms)
            planned.append(_sound(step, again_ms, "duplicates"))
        if chance.random() < rates.get("malformed", 0.0):
            planned.append(_damaged(step, min(send_ms, until_ms), chance))
    planned.sort(key=lambda one: one.send_ms)
    return planned


def _sound(step: Step, send_ms: int, fault: Kind | Literal[""]) -> Planned:
    return Planned(step=step, send_ms=send_ms, fault=fault, expects=200 if step.delivery is not None else 202)


def _damaged(step: Step, send_ms: int, chance: Random) -> Planned:
    """Return a broken copy beside the sound one: forged (401), cut in half (400), or an event without a type (422)."""
    if step.delivery is None:
        event = {name: value for name, value in (step.event or {}).items() if name != "type"}
        broken = msgspec.structs.replace(step, event=event)
        return Planned(step=broken, send_ms=send_ms, fault="malformed", damage="invalid", expects=422)
    if step.delivery.provider in _CUT_IS_UNREADABLE and chance.random() < 0.5:
        cut = msgspec.structs.replace(step.delivery, body=step.delivery.body[: len(step.delivery.body) // 2])
        broken = msgspec.structs.replace(step, delivery=cut)
        return Planned(step=broken, send_ms=send_ms, fault="malformed", damage="cut", expects=400)
    return Planned(step=step, send_ms=send_ms, fault="malformed", damage="forged", expects=401)
