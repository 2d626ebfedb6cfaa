"""Engagement is a set of events: order and repetition change nothing, and counts can be recounted by hand."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.sentiment.engagement.counters import added, knows, merge, observe
from services.sentiment.engagement.derive import engagement
from services.sentiment.engagement.model import (
    DAY_MS,
    ID_BYTES,
    SCORE_UNIT,
    WINDOW_DAYS,
    Day,
    EngagementState,
    Observation,
)
from services.sentiment.engagement.packed import Kept, encode_kept, packed
from services.sentiment.engagement.run import Run
from services.sentiment.engagement.state import decode_state, encode_state
from shared.contracts.codec import encode
from shared.contracts.enriched import AspectHit, Sentiment
from shared.contracts.event import (
    EVENT_CLASSES,
    Actor,
    ActorKind,
    Channel,
    Customer,
    Direction,
    EventBase,
    Interaction,
    TicketOpened,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
COMPLAINT = Sentiment(
    label="negative", score=-0.8, p_negative=0.85, p_neutral=0.1, p_positive=0.05, language="en", is_complaint=True,
    aspects=[AspectHit("logistics", ["late"])],
)  # fmt: skip

minutes = st.integers(0, 120 * 24 * 60)
spoken = st.sampled_from([("inbound", "customer"), ("outbound", "agent"), ("outbound", "bot"), ("internal", "agent")])
observations = st.builds(
    lambda number, minute, said, channel, complaint: observation(
        number, minute, said=said, channel=channel, complaint=complaint
    ),
    st.integers(0, 40),
    minutes,
    spoken,
    st.sampled_from(["chat", "phone", None]),
    st.booleans(),
)


def observation(
    number: int,
    minute: int,
    *,
    said: tuple[Direction, ActorKind] = ("inbound", "customer"),
    channel: Channel | None = "chat",
    complaint: bool = False,
) -> Observation:
    direction, actor = said
    members: dict[str, Any] = {
        "id": f"{number}-{minute}-{said}-{channel}-{complaint}",
        "source": "s",
        "occurred_at": START + timedelta(minutes=minute),
        "customer": Customer("c"),
        "channel": channel,
        "direction": direction,
        "actor": Actor(actor),
    }
    event: EventBase = TicketOpened(**members, ticket_id="t") if number % 5 == 0 else Interaction(**members)
    return observe(event, COMPLAINT if complaint else None)


def folded(seen: Iterable[Observation], state: EngagementState = EngagementState()) -> EngagementState:  # noqa: B008
    for one in seen:
        if not knows(state, one):
            state = added(state, one)
    return state


@given(st.lists(observations, max_size=25), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(seen: list[Observation], chance: random.Random) -> None:
    shuffled = seen * 3
    chance.shuffle(shuffled)

    assert folded(shuffled) == folded(seen)


@given(st.lists(observations, min_size=1, max_size=25))
def test_windows_equal_a_recount(seen: list[Observation]) -> None:
    derived = engagement(folded(seen))

    unique = {one.id: one for one in seen}.values()
    newest = max(one.at_ms for one in unique) // DAY_MS
    kept = [one for one in unique if newest - one.at_ms // DAY_MS < WINDOW_DAYS]
    for days, complaints, inbound in (
        (7, derived.complaints.d7, derived.inbound.d7),
        (30, derived.complaints.d30, derived.inbound.d30),
        (90, derived.complaints.d90, derived.inbound.d90),
    ):
        inside = [one for one in kept if newest - one.at_ms // DAY_MS < days]
        assert complaints == sum(one.complaint_aspects is not None for one in inside)
        assert inbound == sum(one.contact is not None and one.contact % 3 == 0 for one in inside)
    chats = sum(one.contact is not None and one.contact // 3 == 2 for one in kept)
    assert (derived.by_channel["chat"].d90 if "chat" in derived.by_channel else 0) == chats
    active: dict[int, list[int]] = {}
    for one in kept:
        active.setdefault(one.at_ms // DAY_MS, []).append(one.at_ms)
    spoken_on = {one.at_ms // DAY_MS for one in kept if one.contact is not None}
    days_of_contact = [active[day] for day in sorted(spoken_on)]
    gaps = [min(later) - max(earlier) for earlier, later in pairwise(days_of_contact)]
    assert derived.longest_silence_days == round(max(gaps, default=0) / DAY_MS, 2)


@given(st.lists(observations, max_size=25), st.randoms(use_true_random=False))
def test_equal_events_in_any_order_give_equal_bytes(seen: list[Observation], chance: random.Random) -> None:
    shuffled = list(seen)
    chance.shuffle(shuffled)

    assert encode_state(folded(shuffled)) == encode_state(folded(seen))


said = st.builds(
    Observation,
    st.integers(0, 30).map(lambda number: number.to_bytes(ID_BYTES, "big")),
    st.integers(0, 40),
    st.integers(0, len(EVENT_CLASSES) - 1),
    st.none() | st.integers(0, 23),
    st.booleans(),
    st.booleans(),
    st.none() | st.sampled_from([0, -8_000]) | st.integers(-SCORE_UNIT, SCORE_UNIT),
    st.none() | st.sets(st.integers(0, 7), max_size=2).map(lambda codes: tuple(sorted(codes))),
)
instants = st.integers(0, 10 * DAY_MS) | st.integers(0, 300 * DAY_MS) | st.sampled_from([DAY_MS, 20_000 * DAY_MS])
# Customers, and runs of (customer, event).
logs = st.lists(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.builds(lambda one, at_ms: replace(one, at_ms=at_ms), said, instants)),
        max_size=20,
    ),
    max_size=4,
)


@given(logs, st.booleans())
def test_a_run_leads_to_what_its_events_do_one_by_one(
    log: list[list[tuple[str, Observation]]], is_stored: bool
) -> None:
    kept: dict[str, Kept] = {}
    alone: dict[str, EngagementState] = {}
    for events in log:
        run, told = Run(), []
        for key, seen in events:
            known, before = alone.get(key, EngagementState()), kept.get(key)
            is_new = run.add(key, None if before is None else packed(before), seen)
            assert is_new is (None if seen.at_ms == 0 else not knows(known, seen))
            if is_new:
                alone[key] = added(known, seen)
                told.append(engagement(alone[key]))

        assert list(map(encode, run.close())) == list(map(encode, told))
        for key, going in run.going.items():
            assert encode_kept(going) == encode_state(alone[key])
            anew = packed(alone[key])
            # Both have their newest day as bytes then.
            encode_kept(anew)
            assert going == anew
            kept[key] = decode_state(encode_kept(going)) if is_stored else going


@given(logs)
def test_a_run_changes_nothing_that_was_kept(log: list[list[tuple[str, Observation]]]) -> None:
    kept: dict[str, Kept] = {}
    for events in log:
        run, before = Run(), {key: encode_kept(state) for key, state in kept.items()}
        for key, seen in events:
            run.add(key, packed(kept[key]) if key in kept else None, seen)
        run.close()

        assert {key: encode_kept(state) for key, state in kept.items()} == before
        kept.update(run.going)


@given(logs, st.sets(st.sampled_from("abc")))
def test_customers_that_are_dropped_from_a_run_leave_no_trace(
    log: list[list[tuple[str, Observation]]], dropped: set[str]
) -> None:
    run, without = Run(), Run()
    for key, seen in chain.from_iterable(log):
        run.add(key, None, seen)
        if key not in dropped:
            without.add(key, None, seen)
    run.drop(dropped)

    assert run.close() == without.close()
    assert run.going == without.going


def test_counts_that_outgrow_their_bits_are_whole() -> None:
    many = 3_000_000
    day = Day(b"", DAY_MS, DAY_MS, {6: many}, {0: many}, {}, many, many)
    state = EngagementState(1, DAY_MS, DAY_MS, {1: day})
    one = observation(1, 0, channel="chat")
    run = Run()

    run.add("c", packed(state), replace(one, at_ms=2 * DAY_MS))

    assert run.close() == [engagement(added(state, replace(one, at_ms=2 * DAY_MS)))]


def test_a_trend_over_decades_in_one_run_is_exact() -> None:
    run, state, told = Run(), EngagementState(), []
    for years in range(0, 60, 20):
        for days in range(3):
            seen = observation(years, days * 1_440, complaint=days == 1)
            seen = replace(seen, at_ms=(365 * years + 10 + 7 * days) * DAY_MS, score=100 * days)
            run.add("c", None, seen)
            state = added(state, seen)
            told.append(engagement(state))

    assert run.close() == told


@given(st.lists(observations, max_size=15), st.lists(observations, max_size=15))
def test_merging_distinct_histories_equals_folding_both(one: list[Observation], other: list[Observation]) -> None:
    known = {seen.id for seen in one}
    other = [seen for seen in other if seen.id not in known]

    assert merge(folded(one), folded(other)) == folded([*one, *other])


@given(st.lists(observations, max_size=25))
def test_state_survives_its_bytes(seen: list[Observation]) -> None:
    state = folded(seen)

    assert decode_state(encode_state(state)) == state


@given(st.lists(minutes, min_size=300, max_size=300, unique=True))
def test_state_of_a_busy_customer_is_bounded(instants: list[int]) -> None:
    state = folded([observation(i, minute % (90 * 24 * 60)) for i, minute in enumerate(instants)])

    assert len(encode_state(state)) < 20_000
