"""What every signal is made of: the moment it is judged at, what it finds, and proofs that stay bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from shared.contracts.alert import Signal, SignalName

DAY_MS = 86_400_000

# When it happened (milliseconds since 1970) and the event's id.
Proof = tuple[int, str]

# A silence does not end by time alone, only by what breaks it.
FAR_DAYS = 3_650

# Ids a signal shows; the rest is counted, and found through the customer's timeline.
PROOFS_KEPT = 4


class Moment(Struct, frozen=True, gc=False):
    """`day` is the UTC day judged, events of that day included; `since_day` is the first day anything is known of."""

    day: int
    since_day: int


class Finding(Struct, frozen=True, gc=False):
    """A signal that holds, and the first day on which time alone may end or weaken it."""

    signal: Signal
    ends_day: int


@dataclass(frozen=True, slots=True)
class SignalRule:
    """One signal's declaration.

    `weight` is its contribution in log-odds of leaving when it just holds; `threshold` is in `unit`. Both are priors
    (docs/signals.md); published rules override them. A signal judged on every `event` may only gain from the events of
    one day, so that their order does not matter; all others are judged at day ends. `can_raise` is false for signals
    that the silence score has already counted: they explain, and add nothing.
    """

    name: SignalName
    weight: float
    threshold: float
    unit: str
    judged: Literal["event", "day_end"]
    can_raise: bool
    evaluate: Callable[[Any, Moment, float, float], Finding | None]


def with_proof(proofs: tuple[Proof, ...], at_ms: int, event_id: str) -> tuple[Proof, ...]:
    """Return the newest `PROOFS_KEPT` proofs, oldest first; the result does not depend on the order of arrival."""
    return tuple(sorted((*proofs, (at_ms, event_id)))[-PROOFS_KEPT:])


def ids_since(proofs: tuple[Proof, ...], first_day: int) -> list[str]:
    """Return the ids of the proofs from `first_day` (UTC day) on, oldest first."""
    return [event_id for at_ms, event_id in proofs if at_ms >= first_day * DAY_MS]


def merged_proofs(one: tuple[Proof, ...], other: tuple[Proof, ...]) -> tuple[Proof, ...]:
    return tuple(sorted({*one, *other})[-PROOFS_KEPT:])


def strength(ratio: float, most: float = 2.0) -> float:
    """Return how much a signal counts: 1 at its threshold (`ratio` 1), growing with the ratio, `most` at the most."""
    return max(1.0, min(most, 0.5 + 0.5 * ratio))
