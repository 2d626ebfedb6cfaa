"""Engagement is a set of events: order and repetition change nothing, and counts can be recounted by hand."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.sentiment.engagement.counters import engagement, fold, merge, observe
from services.sentiment.engagement.model import EngagementState, Observation
from services.sentiment.engagement.state import decode_state, encode_state
from shared.contracts.enriched import AspectHit, Sentiment
from shared.contracts.event import Actor, Customer, Interaction

START = datetime(2026, 1, 1, tzinfo=UTC)
COMPLAINT = Sentiment(
    label="negative", score=-0.8, p_negative=0.85, p_neutral=0.1, p_positive=0.05, language="en", is_complaint=True,
    aspects=[AspectHit("logistics", ["late"])],
)  # fmt: skip

minutes = st.integers(0, 120 * 24 * 60)
observations = st.builds(
    lambda number, minute, inbound, complaint: observation(number, minute, inbound=inbound, complaint=complaint),
    st.integers(0, 40),
    minutes,
    st.booleans(),
    st.booleans(),
)


def observation(number: int, minute: int, *, inbound: bool = True, complaint: bool = False) -> Observation:
    event = Interaction(
        id=f"{number}-{minute}-{inbound}-{complaint}",
        source="s",
        occurred_at=START + timedelta(minutes=minute),
        customer=Customer("c"),
        channel="chat",
        direction="inbound" if inbound else "outbound",
        actor=Actor("customer" if inbound else "agent"),
    )
    return observe(event, COMPLAINT if complaint else None)


def folded(seen: list[Observation]) -> EngagementState:
    state = EngagementState()
    for one in seen:
        state = fold(state, one)
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
    newest = max(one.at_ms for one in unique) // 86_400_000
    for days, count in ((7, derived.complaints.d7), (30, derived.complaints.d30), (90, derived.complaints.d90)):
        assert count == sum(
            one.complaint_aspects is not None and newest - one.at_ms // 86_400_000 < days for one in unique
        )


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
