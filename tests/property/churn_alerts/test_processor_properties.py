"""What holds for every log: cuts, repetition, order within a day and the other customers change no alert."""

from datetime import datetime, timedelta
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.churn_alerts.signal.model import DAY_MS, Moment
from services.churn_alerts.signal.registry import (
    BY_NAME,
    PRIOR_WEIGHTS,
    find_all,
    find_raising,
    raising_contribution,
)
from shared.clock import to_ms
from shared.contracts.alert import AlertCleared, AlertRecord
from tests.factories.churn_log import (
    START,
    Heard,
    at,
    calm,
    complaint,
    decided,
    inquiry,
    message,
    order,
    reopened,
    survey,
    tick,
)

seeds = st.integers(0, 2**32)


def company(seed: int, n_customers: int = 4) -> list[Heard]:
    """Return a mixed half year of some customers, in order of time."""
    chance = Random(seed)
    entries: list[Heard] = []
    for number in range(n_customers):
        customer = f"c{number}"
        day, until, gap = 0.0, chance.choice([20, 60, 100]), chance.choice([3, 6, 15])
        while day < until:
            entries.append(calm(order(customer, at(int(day), chance.randrange(1440)))))
            day += gap * chance.uniform(0.5, 1.5)
        for _ in range(chance.randrange(6)):
            moment = at(chance.randrange(120), chance.randrange(1440))
            events = (
                calm(message(customer, moment)),
                calm(inquiry(customer, moment, "kettle")),
                calm(survey(customer, moment, "nps", 3, 10)),
                calm(reopened(customer, moment, "t1")),
                complaint(customer, moment),
            )
            entries.append(events[chance.randrange(len(events))])
        burst = chance.randrange(120)
        entries.extend(complaint(customer, at(burst, chance.randrange(1440))) for _ in range(chance.choice([0, 0, 4])))
    return sorted(entries, key=lambda entry: (entry[0].occurred_at, entry[0].id))


def end(days: int = 200) -> bytes:
    return tick(at(days))


def final(alerts: list[AlertRecord]) -> dict[str, tuple[object, ...]]:
    """Return each alert's last word, with its day: how it ended, or what it says while it is open."""
    said: dict[str, tuple[object, ...]] = {}
    for record in alerts:
        if isinstance(record, AlertCleared):
            said[record.alert_id] = (record.reason, record.at.date())
        else:
            body = record.body
            said[record.alert_id] = ("open", record.at.date(), body.severity, tuple(map(str, body.signals)))
    return said


def in_days(entries: list[Heard]) -> list[list[Heard]]:
    days: dict[datetime, list[Heard]] = {}
    for entry in entries:
        moment = entry[0].occurred_at
        days.setdefault(moment.replace(hour=0, minute=0, second=0, microsecond=0), []).append(entry)
    return list(days.values())


@given(seeds, st.lists(st.integers(0, 80), max_size=12))
@settings(max_examples=6, deadline=None)
def test_cuts_of_the_log_into_batches_change_nothing(seed: int, cuts: list[int]) -> None:
    entries: list[Heard | bytes] = [*company(seed), end()]

    whole = decided(entries)
    cut = decided(entries, [place for place in cuts if place < len(entries)])

    by_customer = [sorted(log.alerts, key=lambda record: record.customer_id) for log in (whole, cut)]
    assert by_customer[0] == by_customer[1]
    assert whole.risks == cut.risks


@given(seeds)
@settings(max_examples=6, deadline=None)
def test_customers_do_not_see_each_other(seed: int) -> None:
    entries = company(seed)
    # As the ticker does, time is told to the lone customer too.
    alone: list[Heard | bytes] = []
    for entry in entries:
        alone.append(entry if entry[0].customer.id == "c0" else tick(entry[0].occurred_at))

    together = decided([*entries, end()])
    apart = decided([*alone, end()])

    assert [record for record in together.alerts if record.customer_id == "c0"] == apart.alerts


@given(seeds)
@example(59_381)
@settings(max_examples=8, deadline=None)
def test_every_event_three_times_and_shuffled_within_its_day_gives_the_same_alerts(seed: int) -> None:
    entries = company(seed)
    chance = Random(seed)
    tripled: list[Heard] = []
    for day in in_days(entries):
        repeated = day * 3
        chance.shuffle(repeated)
        tripled.extend(repeated)

    once = decided([*entries, end()])
    thrice = decided([*tripled, end()])

    assert final(thrice.alerts) == final(once.alerts)
    assert {key: risk.risk for key, risk in thrice.risks.items()} == {
        key: risk.risk for key, risk in once.risks.items()
    }


@given(seeds)
@settings(max_examples=6, deadline=None)
def test_one_alert_is_open_at_a_time_and_revisions_grow_by_one(seed: int) -> None:
    log = decided([*company(seed), end()])

    open_ones: dict[str, str] = {}
    last: dict[str, tuple[int, datetime]] = {}
    for record in log.alerts:
        revision, moment = last.get(record.alert_id, (0, START - timedelta(days=1)))
        assert record.revision == revision + 1 and record.at >= moment
        last[record.alert_id] = record.revision, record.at
        assert open_ones.setdefault(record.customer_id, record.alert_id) == record.alert_id
        if isinstance(record, AlertCleared):
            del open_ones[record.customer_id]


@given(seeds, st.integers(0, 200))
@settings(max_examples=6, deadline=None)
def test_signals_that_can_raise_are_those_of_all_that_do(seed: int, days: int) -> None:
    log = decided([*company(seed), end()])

    for key in log.risks:
        state = log.state(key)
        assert state is not None
        moment = Moment(to_ms(at(days)) // DAY_MS, state.signals.since_day)
        every = find_all(state.signals, moment, PRIOR_WEIGHTS, None, None)
        raising = find_raising(state.signals, moment, PRIOR_WEIGHTS, None)
        assert raising == [finding for finding in every if BY_NAME[finding.signal.name].can_raise]
        assert raising_contribution(raising) == raising_contribution(every)
