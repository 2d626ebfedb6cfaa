"""The sentiment processor over a log: where it is cut into runs changes neither what is told nor what is kept."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.sentiment.interaction.agent import SentimentProcessor
from services.sentiment.interaction.score import Scorer
from shared.contracts.codec import encode
from shared.contracts.event import (
    Actor,
    ActorKind,
    Customer,
    CustomerErased,
    CustomerMerged,
    Direction,
    EventBase,
    Interaction,
    OrderPlaced,
    TicketOpened,
)
from shared.kafka.changelog import LoadedState
from shared.kafka.partition import Partition
from shared.kafka.processor import Output
from shared.kafka.rows import state_of
from tests.fakes.kafka import FakeRecord

START = datetime(2026, 3, 1, tzinfo=UTC)
_SCORER = Scorer.load()
Said = tuple[Direction, ActorKind]
_SAID: tuple[Said, ...] = (("inbound", "customer"), ("outbound", "agent"), ("outbound", "bot"), ("internal", "agent"))
_TEXTS = ("", "Still waiting for my refund, this is terrible", "谢谢，很满意", "when does it ship?")


def event(number: int, customer: str, kind: str, minutes: int, text: str, channel: str | None, said: Said) -> EventBase:
    members: dict[str, Any] = {
        "id": f"e{number}",
        "source": "s",
        "occurred_at": START + timedelta(minutes=minutes),
        "customer": Customer(customer, [f"tel:+86{number % 3}"] if number % 7 == 0 else []),
        "channel": channel,
        "direction": said[0],
        "actor": Actor(said[1]),
        "text": text or None,
    }
    match kind:
        case "merged":
            return CustomerMerged(**members, from_id=customer, into_id="into")
        case "erased":
            return CustomerErased(**members)
        case "order":
            return OrderPlaced(**members, order_id="o", amount="1.00")
        case "ticket":
            return TicketOpened(**members, ticket_id="t")
        case _:
            return Interaction(**members)


events = st.builds(
    event,
    st.integers(0, 60),
    st.sampled_from(["ann", "bob", "into"]),
    st.sampled_from(["said"] * 12 + ["order", "ticket", "ticket", "merged", "erased"]),
    st.integers(0, 100) | st.integers(0, 130 * 24 * 60),
    st.sampled_from(_TEXTS),
    st.sampled_from(["chat", "phone", None]),
    st.sampled_from(_SAID),
)


def decided(log: list[EventBase], cuts: list[int]) -> tuple[list[tuple[str, str, bytes | None]], dict[str, bytes]]:
    """Return what is told of a log that is handed over in pieces, and the states it ends in."""
    nothing = LoadedState(rows={}, fence=-1, watermark_ms=0, controls=[], next_offset=0, heal=[], n_records=0)
    partition: Partition[Any, Any] = Partition(SentimentProcessor(_SCORER), 0, nothing)
    records = [FakeRecord(at, str(one.customer.id).encode(), encode(one), ()) for at, one in enumerate(log)]
    told: list[tuple[str, str, bytes | None]] = []
    states: dict[str, bytes] = {}
    bounds = [0, *cuts, len(records)]
    for first, last in pairwise(bounds):
        for work in partition.works(records[first:last]) if first < last else ():
            assert not work.poison, work.poison[0].error
            outputs = [output for output in work.outputs if isinstance(output, Output)]
            told += [(output.topic.name, output.key, output.value) for output in outputs]
            for key, value, _, _ in work.rows:
                if key is not None and not key.startswith(b"\0"):
                    states[key.decode()] = b"" if value is None else state_of(value)
    return told, states


@settings(max_examples=60)
@given(st.lists(events, min_size=1, max_size=30), st.data())
def test_where_a_log_is_cut_changes_nothing(log: list[EventBase], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(log) - 1))) if len(log) > 1 else set())

    whole = decided(log, [])

    assert decided(log, cuts) == whole
    assert decided(log, list(range(1, len(log)))) == whole
