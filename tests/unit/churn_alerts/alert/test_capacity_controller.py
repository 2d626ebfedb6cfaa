"""The controller's memory of peaks, and who publishes what follows from it."""

from datetime import UTC, datetime

import msgspec
import pytest

from services.churn_alerts.alert.capacity import PeakSample
from services.churn_alerts.alert.control_log import ControlLog
from services.churn_alerts.alert.rules import InForceRules, Rules, read_rules
from services.churn_alerts.alert.send import CapacityController
from shared.contracts.control import RulesPublished
from shared.kafka.publisher import partition_for
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import CrashError, FakeKafka

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def controller(kafka: FakeKafka, rules: Rules) -> CapacityController:
    log = ControlLog(kafka, kafka, "t.", dict)
    found = CapacityController(kafka, log, "t.", FakeClock(NOW))
    found.newest_rules = InForceRules(4, rules)
    for number in range(1_000):
        found.sample.checked(f"c{number}", 5, 20 + number % 10, "bronze", number / 1_000)
    return found


def test_sample_keeps_the_peak_of_each_silence() -> None:
    sample = PeakSample()

    for day, p in ((20, 0.4), (21, 0.7), (22, 0.6)):
        sample.checked("a", 5, day, "gold", p)
    sample.checked("a", 90, 100, "gold", 0.1)

    assert sample.peaks() == ({"gold": [0.1]}, 28.0)


def test_sample_stays_bounded_by_taking_fewer_customers() -> None:
    sample = PeakSample(limit=100)

    for number in range(5_000):
        sample.checked(f"c{number}", 5, 20, "bronze", 0.5)

    assert 10 <= len(sample.peaks()[0]["bronze"]) <= 100
    assert 32 <= sample.modulus <= 256


@pytest.mark.parametrize("partition", range(4))
def test_sample_of_one_partitions_customers_is_the_share_it_says(partition: int) -> None:
    sample = PeakSample(limit=400)
    customers = [name for name in (f"c{number}" for number in range(40_000)) if partition_for(name, 4) == partition]

    for name in customers:
        sample.checked(name, 5, 20, "bronze", 0.5)

    assert len(sample.peaks()[0]["bronze"]) * sample.modulus == pytest.approx(len(customers), rel=0.25)


async def test_owner_of_the_first_partition_publishes_to_every_partition() -> None:
    kafka = FakeKafka(partitions=3)

    record = await controller(kafka, Rules(capacity_per_day=10)).reconsider({0, 1, 2})

    assert record is not None and record.version == 5 and record.in_force_at == datetime(2026, 3, 3, tzinfo=UTC)
    for partition in range(3):
        [written] = kafka.logs["t.interactions.enriched", partition]
        assert written.key is None and written.value is not None
        read = msgspec.json.decode(written.value, type=RulesPublished)
        assert (read.version, read_rules(read.rules)) == (5, read_rules(record.rules))
    assert 0.85 < read_rules(record.rules).silence_thresholds["bronze"] < 0.95


async def test_nobody_publishes_without_a_capacity_or_the_first_partition() -> None:
    kafka = FakeKafka(partitions=3)

    assert await controller(kafka, Rules()).reconsider({0, 1, 2}) is None
    assert await controller(kafka, Rules(capacity_per_day=10)).reconsider({1, 2}) is None
    assert not kafka.logs


async def test_published_thresholds_are_not_published_again() -> None:
    kafka = FakeKafka(partitions=3)
    one = controller(kafka, Rules(capacity_per_day=10))

    first = await one.reconsider({0, 1, 2})
    second = await one.reconsider({0, 1, 2})

    assert first is not None and second is None


@pytest.mark.parametrize("n_writes", range(6))
async def test_after_a_crash_anywhere_every_partition_has_the_same_rules(n_writes: int) -> None:
    kafka, written = FakeKafka(partitions=3), []

    def dies(place: object, _messages: object) -> int | None:
        written.append(place)
        return 0 if len(written) > n_writes else None

    kafka.before_write = dies
    if n_writes < 5:
        with pytest.raises(CrashError):
            await controller(kafka, Rules(capacity_per_day=10)).reconsider({0})
    kafka.before_write = lambda _place, _messages: None
    # The next leader has seen other silences: what it would publish now differs.
    other = controller(kafka, Rules(capacity_per_day=40))

    await other.reconsider({0})

    everywhere = [rules_in(kafka, partition) for partition in range(3)]
    assert everywhere[0] == everywhere[1] == everywhere[2]
    assert sorted(everywhere[0]) == list(range(5, 5 + len(everywhere[0])))


async def test_of_two_leaders_rules_the_first_count() -> None:
    kafka, elsewhere = FakeKafka(partitions=3), FakeKafka(partitions=3)
    theirs = await controller(elsewhere, Rules(capacity_per_day=40)).reconsider({0})
    assert theirs is not None
    is_behind: list[bool] = []

    def another_is_quicker(place: tuple[str, int], _messages: object) -> int | None:
        if place[0] == "t.churn.models" and not is_behind:
            is_behind.append(True)
            kafka.append(("t.churn.models", 0), b"model", msgspec.json.encode(theirs))
        return None

    kafka.before_write = another_is_quicker
    one = controller(kafka, Rules(capacity_per_day=10))
    ours = await one.reconsider({0})

    assert ours == theirs
    assert one.newest_rules == InForceRules(5, read_rules(theirs.rules))
    assert [rules_in(kafka, partition) for partition in range(3)] == [{5: read_rules(theirs.rules)}] * 3


def rules_in(kafka: FakeKafka, partition: int) -> dict[int, Rules]:
    """Return the rules that a customers' partition has, by version; one version says one thing."""
    found: dict[int, Rules] = {}
    for record in kafka.logs["t.interactions.enriched", partition]:
        read = msgspec.json.decode(record.value or b"", type=RulesPublished)
        assert found.setdefault(read.version, read_rules(read.rules)) == read_rules(read.rules)
    return found
