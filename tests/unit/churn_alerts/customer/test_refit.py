"""A refit from the states says what one from the log says, and one generation reaches every partition, whoever dies."""

from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest
from msgspec.structs import replace

from services.churn_alerts.alert.control_log import ControlLog
from services.churn_alerts.alert.rules import InForceRules, Rules, SilenceRules, to_document
from services.churn_alerts.backtest.options import Wishes, choose
from services.churn_alerts.backtest.replay import published
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.fit import fit
from services.churn_alerts.customer.generation import Generation, from_model, to_model
from services.churn_alerts.customer.history import CustomerDays, history_of
from services.churn_alerts.customer.in_force import policy_of
from services.churn_alerts.customer.level import with_level
from services.churn_alerts.customer.model import DAY_MS, Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe, observe_return
from services.churn_alerts.customer.refit import Sample, next_generation
from services.churn_alerts.customer.send import RefitLeader
from services.churn_alerts.customer.state import encode_state, new_state
from shared.clock import from_ms
from shared.contracts.control import RulesPublished
from shared.kafka.controls import generation_of
from shared.kafka.publisher import partition_for
from shared.kafka.rows import control_row, encode_row, message_of, partition_row
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import CrashError, FakeKafka

PARTITIONS = 3
TODAY = FIRST_DAY + 400
RULES = Rules(purchases=SilenceRules(horizon_days=28, window_days=21, lost_after_days=42))
POLICY = policy_of(InForceRules(1, RULES))
LOG = purchase_log(260, 420, return_ratio=0.05)


def state_of(days: list[tuple[int, int | None]], returns: list[int]) -> Purchases:
    state = no_purchases(28)
    for day, cents in days:
        state = observe(state, day, (cents or 0) / 100)
    for day in returns:
        state = observe_return(state, day)
    return state


@cache
def states(last_day: int) -> dict[str, bytes]:
    return states_of(until(LOG, last_day))


def states_of(customers: list[CustomerDays]) -> dict[str, bytes]:
    found = {}
    for owner, purchases, returns in customers:
        state = new_state(purchases[0].day)
        state.purchases = state_of(list(purchases), list(returns))
        found[owner] = encode_state(state)
    return found


def kafka_with(last_day: int) -> FakeKafka:
    """Return a Kafka whose state topic a worker has filled by the end of a day."""
    kafka = FakeKafka(partitions=PARTITIONS)
    rules = RulesPublished(version=2, in_force_at=from_ms(0), rules=to_document(RULES))
    for owner, state in states(last_day).items():
        place = "t.churn.state", partition_for(owner, PARTITIONS)
        kafka.append(place, owner.encode(), encode_row(5, None, state))
    for partition in range(PARTITIONS):
        for row in (control_row(generation_of(rules), 1), partition_row(9, (last_day + 2) * DAY_MS)):
            key, value, headers, _ = message_of(row)
            kafka.append(("t.churn.state", partition), key, value, headers)
    return kafka


def leader(kafka: FakeKafka, day: int = TODAY) -> RefitLeader:
    log = ControlLog(kafka, kafka, "t.", from_model)
    return RefitLeader(kafka, kafka, log, "t.", FakeClock(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day + 2)))


def generations(kafka: FakeKafka) -> list[list[bytes]]:
    """Return the distinct records of every customers' partition."""
    logs = [kafka.logs["t.interactions.enriched", partition] for partition in range(PARTITIONS)]
    return [sorted({record.value for record in log if record.value is not None}) for log in logs]


@pytest.mark.slow
@pytest.mark.parametrize("last_day", [FIRST_DAY + 150, FIRST_DAY + 300, FIRST_DAY + 419])
def test_states_refit_to_the_bytes_of_the_log(last_day: int) -> None:
    sample = Sample()
    sample.add(states(last_day + 9).items())
    policy = SilencePolicy(RULES.purchases.min_events, 42, 21)

    of_log = fit(history_of(LOG, 28.0), last_day, last_day, policy, 1)
    of_states = fit(sample.history("orders", 28.0, last_day), last_day, last_day, policy, 1)

    assert of_states.origin == "own"
    assert msgspec.json.encode(to_model(of_states)) == msgspec.json.encode(to_model(of_log))


@pytest.mark.slow
def test_seasons_are_handed_on_through_the_records_as_in_a_backtest() -> None:
    log = purchase_log(260, 620, seed=11)
    first, last = FIRST_DAY + 200, FIRST_DAY + 619
    options = choose(log, Wishes(first, 28, 42, RULES.purchases.min_events))
    running: Generation | None = None

    schedule = published(history_of(log, 28.0), options, last)
    for entry in schedule:
        sample = Sample()
        sample.add(states_of(until(log, entry.from_day + 5)).items())
        history = sample.history("orders", 28.0, entry.from_day)
        running = next_generation(history, entry.from_day, POLICY, "orders", running, 1.0)
        assert running is not None
        running = from_model(msgspec.json.decode(msgspec.json.encode(to_model(running))))
        assert (running.level, running.returned) == (entry.generation.level, entry.generation.returned)

    assert running is not None
    alone = with_level(fit(history_of(log, 28.0), running.decided_until_day or 0, first, options.policy, 1), None)
    assert running.level != alone.level


async def test_one_generation_reaches_every_partition_once() -> None:
    kafka = kafka_with(TODAY)

    first = await leader(kafka).look({0, 1, 2})
    second = await leader(kafka).look({0, 1, 2})

    [record] = first
    assert second == []
    assert generations(kafka) == [[msgspec.json.encode(record)]] * PARTITIONS
    assert record.in_force_at == from_ms(0)
    generation = from_model(record.model)
    assert generation.decided_until_day == TODAY and generation.thresholds is not None
    assert generation.tier_cuts is not None and generation.tier_cuts.frequency != Rules().tier_cuts.frequency


async def test_a_first_fit_waits_until_every_partition_is_decided_in() -> None:
    kafka = kafka_with(TODAY)
    unread = kafka.logs.pop(("t.churn.state", 2))
    waiting = leader(kafka)

    before = await waiting.look({0, 1, 2})
    kafka.logs["t.churn.state", 2] = unread
    after = await waiting.look({0, 1, 2})

    assert before == []
    assert [record.version for record in after] == [1]


async def test_nobody_refits_without_the_first_partition() -> None:
    kafka = kafka_with(TODAY)

    assert await leader(kafka).look({1, 2}) == []


@pytest.mark.slow
@pytest.mark.parametrize("n_writes", range(6))
async def test_after_a_crash_anywhere_every_partition_has_the_same_generation(n_writes: int) -> None:
    kafka, written = kafka_with(TODAY), []

    def dies(place: object, _messages: object) -> int | None:
        written.append(place)
        return 0 if len(written) > n_writes else None

    kafka.before_write = dies
    if n_writes < 5:
        with pytest.raises(CrashError):
            await leader(kafka).look({0})
    kafka.before_write = lambda _place, _messages: None
    # The next leader has seen more: what it would fit now differs.
    kafka.append(("t.churn.state", 1), b"late", encode_row(9, None, next(iter(states(TODAY).values()))))

    await leader(kafka).look({0})

    everywhere = generations(kafka)
    assert [len(values) for values in everywhere] == [1] * PARTITIONS
    assert everywhere[0] == everywhere[1] == everywhere[2]


async def test_of_two_leaders_the_first_one_counts() -> None:
    kafka, other = kafka_with(TODAY), kafka_with(TODAY + 1)
    [theirs] = await leader(other, TODAY + 1).look({0})
    is_behind: list[bool] = []

    def another_is_quicker(place: tuple[str, int], _messages: object) -> int | None:
        if place[0] == "t.churn.models" and not is_behind:
            is_behind.append(True)
            kafka.append(("t.churn.models", 0), b"model", msgspec.json.encode(theirs))
        return None

    kafka.before_write = another_is_quicker
    [ours] = await leader(kafka).look({0})

    assert ours == theirs
    assert generations(kafka) == [[msgspec.json.encode(theirs)]] * PARTITIONS


async def test_next_refit_comes_28_days_later() -> None:
    kafka = kafka_with(TODAY - 40)
    await leader(kafka, TODAY - 40).look({0})

    early = await leader(kafka, TODAY - 40 + 27).look({0})
    kafka.logs.update(kafka_with(TODAY - 12).logs | {at: log for at, log in kafka.logs.items() if "state" not in at[0]})
    [record] = await leader(kafka, TODAY - 12).look({0})

    assert early == []
    assert record.version == 2
    assert len({value for values in generations(kafka) for value in values}) == 2


def test_guard_keeps_better_numbers_and_renews_the_thresholds() -> None:
    sample, few = Sample(), Sample()
    sample.add(states(TODAY).items())
    few.add(list(states(TODAY).items())[:4])
    first = next_generation(sample.history("orders", 28.0, TODAY), TODAY, POLICY, "orders", None, 1.0)
    assert first is not None
    of_few = few.history("orders", 28.0, TODAY)

    kept = next_generation(of_few, TODAY, POLICY, "orders", replace(first, level=0.7), 1.0)
    renewed = next_generation(of_few, TODAY, POLICY, "orders", replace(first, intercept=first.intercept - 6.0), 1.0)

    assert kept is not None and (kept.version, kept.weights) == (2, first.weights)
    assert kept.level != 0.7
    assert set(first.returned) <= set(kept.returned)
    assert kept.thresholds is not None and kept.thresholds != first.thresholds
    assert renewed is not None and renewed.weights != first.weights


def test_sample_of_a_large_company_is_bounded_and_its_own() -> None:
    sample = Sample(limit=100)
    encoded = next(iter(states(TODAY).values()))

    sample.add((f"c{number}", encoded) for number in range(1_000))

    assert sample.share < 0.2
    assert 30 < len(sample.history("orders", 28.0, TODAY).customer_ids) <= 100
