from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any

import pytest
from msgspec import structs

from services.simulator.score import Alert, is_hit, judge, middle, wilson
from services.simulator.truth import CustomerTruth, Header

UNTIL = datetime(2026, 7, 1, tzinfo=UTC)
DECIDED = datetime(2026, 4, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    """Return an instant so many days after the decision."""
    return DECIDED + timedelta(days=number)


def leaver(number: int = 1, **changes: Any) -> CustomerTruth:
    values: dict[str, Any] = {
        "customer_id": f"c-{number}", "handles": [f"tel:{number}000"], "language": "en", "joined_at": day(-80),
        "order_days": 5, "usual_gap_days": 12.0, "last_order_at": day(-2), "decided_at": DECIDED, "cause": "price",
        "is_told": True,
    }  # fmt: skip
    return CustomerTruth(**{**values, **changes})


def stayer(number: int) -> CustomerTruth:
    return leaver(number, decided_at=None, cause=None, is_told=False)


def alert(raised: float, resolved: float | None = None, customer: int = 1, cause: str = "price") -> Alert:
    return Alert(
        alert_id=f"{customer}/{raised}",
        customer_id=f"c-{customer}",
        raised_at=day(raised),
        resolved_at=None if resolved is None else day(resolved),
        cause=cause,
    )


HEAD = Header(
    version=1,
    customers=3,
    days=181,
    seed=1,
    start=UNTIL - timedelta(days=181),
    until=UNTIL,
    prefix="c",
    talkativeness=1.0,
)


@pytest.mark.parametrize(
    ("raised", "resolved", "expected"),
    [
        (0, None, True),
        (90, None, True),
        (91, None, False),
        (10, 60, True),
        (-30, None, True),
        (-31, None, False),
        (-10, -1, False),
        (-10, 0, True),
    ],
)
def test_an_alert_is_a_hit_within_its_window(raised: float, resolved: float | None, expected: bool) -> None:
    assert is_hit(alert(raised, resolved), leaver(), UNTIL) is expected


def test_an_alert_open_at_the_end_foretells_a_decision_just_after_it() -> None:
    about_to_go = leaver(decided_at=UNTIL + timedelta(days=20))

    assert is_hit(alert(80), about_to_go, UNTIL)
    assert not is_hit(alert(80, 85), about_to_go, UNTIL)


def test_precision_counts_alerts_and_recall_counts_leavers() -> None:
    truths = [leaver(1), leaver(2), stayer(3)]

    scored = judge(HEAD, truths, [alert(20), alert(40), alert(30, customer=3), alert(50, 60, customer=3)])

    assert (scored.precision.n, scored.precision.of) == (2, 4)
    assert (scored.recall.n, scored.recall.of) == (1, 2)
    assert scored.missed == ["c-2"]


def test_the_young_and_those_without_a_rhythm_are_told_apart() -> None:
    young = leaver(1, decided_at=UNTIL - timedelta(days=59))
    once = leaver(2, order_days=1)

    scored = judge(HEAD, [young, once, leaver(3)], [])

    assert (scored.n_leavers, scored.n_counted, scored.n_too_young, scored.n_without_rhythm) == (3, 1, 1, 1)


def test_delay_lead_and_cause_are_of_the_first_hit() -> None:
    scored = judge(HEAD, [leaver(1)], [alert(25, cause="quality"), alert(20)])

    assert scored.delay_days.value == 20
    assert scored.lead_days.value == 38
    assert (scored.cause.n, scored.cause.of) == (1, 1)


def test_reasons_of_nobody_s_making_do_not_count_as_causes() -> None:
    scored = judge(HEAD, [leaver(1, cause="unknown", is_told=False)], [alert(5, cause="price")])

    assert scored.cause.of == 0
    assert scored.confusion == {("unknown", "price"): 1}


def test_nothing_at_all_is_scored_without_a_fault() -> None:
    scored = judge(HEAD, [stayer(1)], [])

    assert isnan(scored.delay_days.value)
    assert (scored.recall.low, scored.recall.high) == (0.0, 1.0)


def test_wilson_s_interval_is_the_published_one() -> None:
    """Newcombe 1998, Two-sided confidence intervals for the single proportion, table I."""
    shares = [wilson(81, 263), wilson(15, 148), wilson(1, 29)]

    assert [(round(share.low, 4), round(share.high, 4)) for share in shares] == [
        (0.2553, 0.3662),
        (0.0624, 0.1605),
        (0.0061, 0.1718),
    ]


def test_a_median_lies_within_its_interval() -> None:
    found = middle([float(n) for n in range(101)])

    assert found.low < found.value == 50 < found.high


def test_latency_is_told_of_what_an_event_of_today_raised_and_of_what_time_raised_after_the_end() -> None:
    heard = UNTIL + timedelta(seconds=5)

    def one(raised_at: datetime, **changes: Any) -> Alert:
        return structs.replace(alert(10), raised_at=raised_at, stored_at=heard + timedelta(seconds=2), **changes)

    said_at = UNTIL - timedelta(hours=1)
    at_once = one(said_at, evidence_at=said_at + timedelta(microseconds=700), heard_at=heard)
    later = one(UNTIL, evidence_at=UNTIL - timedelta(days=2), heard_at=heard)
    by_time = one(UNTIL + timedelta(seconds=4))
    scored = judge(HEAD, [leaver()], [at_once, later, by_time, structs.replace(at_once, is_historical=True)])

    assert (scored.stored_s.of, scored.stored_s.value, scored.stored_s_p95.value) == (1, 2.0, 2.0)
    assert (scored.due_s.of, scored.due_s.value) == (1, 3.0)
    assert (scored.evidence_hours.of, round(scored.evidence_hours.value)) == (3, 0)
