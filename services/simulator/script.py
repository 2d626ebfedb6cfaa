"""Who tells what: every act as a provider's payload, or as the company's own event where no provider tells it."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from services.simulator.life.model import (
    DAY_MS,
    Act,
    Inquired,
    Invoice,
    Life,
    Ordered,
    Person,
    Rated,
    Returned,
    Said,
    Ticket,
)
from services.simulator.life.person import handles_of
from services.simulator.provider.catalogue import PROVIDERS
from services.simulator.provider.model import Deliveries, Unsigned
from services.simulator.provider.segment import currency_of
from services.simulator.provider.segment import order as segment_order
from services.simulator.world import World
from shared.clock import from_ms

SOURCE: Final = "simulator"

TAIL_MS: Final = DAY_MS
"""What is younger when the world ends is told as news; the product takes anything older than 24 hours for history."""

# A little is kept off the tail's beginning, so that it is still news when it arrives.
_TAIL_MARGIN_MS: Final = 3_600_000


class Step(Struct, frozen=True, kw_only=True):
    """One thing to send: an own event or a provider's delivery. `is_profile` ones are told before all others."""

    at_ms: int
    person: int
    event: dict[str, Any] | None = None
    delivery: Unsigned | None = None
    is_profile: bool = False

    @property
    def key(self) -> str:
        if self.delivery is not None:
            return f"{self.delivery.provider}:{self.delivery.key}"
        return f"own:{(self.event or {}).get('id', '')}"


def tail_start_ms(world: World) -> int:
    """Return when the live tail begins."""
    return max(world.span.until_ms - TAIL_MS + _TAIL_MARGIN_MS, world.span.start_ms)


def script(world: World, providers: frozenset[str]) -> list[Step]:
    """Return everything to send, in order of time; the same bytes for the same world and providers."""
    tail_ms = tail_start_ms(world)
    steps = [step for life in world.lives for step in _of_life(life, world, providers, tail_ms)]
    steps.sort(key=lambda step: (not step.is_profile, step.at_ms, step.person))
    return steps


def _of_life(life: Life, world: World, providers: frozenset[str], tail_ms: int) -> Iterator[Step]:
    person = life.person
    first_ms = max(person.joined_ms, world.span.start_ms)
    if first_ms < world.span.until_ms:
        yield Step(at_ms=first_ms, person=person.index, event=_profile(person, first_ms), is_profile=True)
    for act in life.acts:
        if not world.span.start_ms <= act.at_ms < world.span.until_ms:
            continue
        told = _deliveries(person, act, providers, is_news=act.at_ms >= tail_ms)
        for delivery in told:
            yield Step(at_ms=act.at_ms, person=person.index, delivery=delivery)
        if not told:
            yield Step(at_ms=act.at_ms, person=person.index, event=_event(person, act))


def _deliveries(person: Person, act: Act, providers: frozenset[str], is_news: bool) -> Deliveries:
    """Return what the provider concerned tells of an act; nothing if none does, or if it could not date it."""
    match act:
        case Ordered() | Returned():
            return segment_order(person, act) if person.shop == "segment" and "segment" in providers else []
        case Ticket():
            return PROVIDERS["zendesk"].ticket(person, act) if "zendesk" in providers else []
        case Rated():
            return PROVIDERS[person.chat].rate(person, act) if person.chat in providers else []
        case Said():
            name = {"email": person.mail, "chat": person.chat}.get(act.medium, "twilio")
            if name not in providers or not (is_news or PROVIDERS[name].carries_time):
                return []
            return PROVIDERS[name].say(person, act)
        case _:
            return []


def _event(person: Person, act: Act) -> dict[str, Any]:
    match act:
        case Ordered():
            return _order(person, act)
        case Returned():
            event = _frame(person, "order.returned", f"r{act.number}", act.at_ms)
            return event | {
                "order_id": f"{person.id}-{act.number}",
                "amount": f"{act.amount:.2f}",
                "currency": currency_of(person),
            }
        case Said():
            return _said(person, act)
        case Inquired():
            event = _frame(person, "inquiry", f"q{act.turn}", act.at_ms)
            return event | {
                "channel": act.medium,
                "direction": "inbound",
                "text": act.text,
                "actor": {"kind": "customer"},
            }
        case Rated():
            event = _frame(person, "survey.answered", f"s{act.turn}", act.at_ms)
            low, high = (1, 5) if act.kind == "csat" else (0, 10)
            return event | {"kind": act.kind, "score": act.score, "scale_min": low, "scale_max": high}
        case Invoice():
            event = _frame(person, f"payment.{act.step}", f"i{act.number}-{act.step}", act.at_ms)
            return event | {
                "invoice_id": f"{person.id}-{act.number}",
                "amount": f"{act.amount:.2f}",
                "currency": currency_of(person),
                "due_at": _iso(act.due_ms),
            }
        case Ticket():
            event = _frame(person, f"ticket.{act.step}", f"t{act.turn}", act.at_ms)
            text = {"text": act.text} if act.text else {}
            return event | text | {"ticket_id": f"{person.id}-{act.number}", "actor": {"kind": act.speaker}}


def _frame(person: Person, kind: str, number: str, at_ms: int) -> dict[str, Any]:
    return {
        "type": kind,
        "id": f"{person.id}-{number}",
        "source": SOURCE,
        "occurred_at": _iso(at_ms),
        "customer": {"id": person.id},
        "attributes": {"demo": "true"},
    }


def _profile(person: Person, at_ms: int) -> dict[str, Any]:
    event = _frame(person, "customer.identified", "profile", at_ms)
    return event | {"customer": {"id": person.id, "handles": handles_of(person)}, "name": person.name, "consent": True}


def _order(person: Person, act: Ordered) -> dict[str, Any]:
    items = [
        {"sku": f"sku-{category}-{i}", "category": category, "quantity": 1, "price": f"{price:.2f}"}
        for i, (category, price) in enumerate(act.products)
    ]
    event = _frame(person, "order.placed", f"o{act.number}", act.at_ms)
    return event | {
        "order_id": f"{person.id}-{act.number}",
        "amount": f"{act.amount:.2f}",
        "currency": currency_of(person),
        "items": items,
    }


def _said(person: Person, act: Said) -> dict[str, Any]:
    event = _frame(person, "interaction", f"m{act.turn}", act.at_ms)
    names = {"customer": person.name, "agent": "Robin", "bot": "Assistant"}
    event |= {
        "channel": act.medium,
        "direction": "inbound" if act.speaker == "customer" else "outbound",
        "actor": {"kind": act.speaker, "name": names[act.speaker]},
        "text": act.text,
        "conversation_id": f"{person.id}-c{act.talk}",
    }
    if act.subject:
        event["subject"] = act.subject
    if act.medium == "phone":
        event["call"] = {"duration_s": act.seconds, "disposition": "answered", "transcript": act.text}
    return event


def _iso(at_ms: int) -> str:
    return from_ms(at_ms).isoformat().replace("+00:00", "Z")
