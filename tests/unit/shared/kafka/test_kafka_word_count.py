"""The processor of docs/howto/write-a-processor.md: complete, short, and right."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from shared.kafka.engine import Engine
from shared.kafka.metrics import WorkerMetrics
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import FakeKafka, FakeRecord
from tests.unit.shared.kafka import word_count

_SOURCE = Path(word_count.__file__).read_text()
_HOWTO = Path(__file__).parents[4] / "docs" / "howto" / "write-a-processor.md"


def test_it_is_shorter_than_forty_lines() -> None:
    assert len([line for line in _SOURCE.splitlines() if line.strip()]) < 40


def test_the_howto_shows_the_very_same_lines() -> None:
    assert _SOURCE in _HOWTO.read_text()


async def test_it_counts_words() -> None:
    kafka = FakeKafka()
    processor = word_count.WordCount()
    engine = Engine(processor, kafka, kafka, WorkerMetrics(CollectorRegistry(), processor.name), FakeClock())
    words = [b"so", b"many", b"so", b"so"]

    await engine.handle(0, [FakeRecord(at, word, b"%d" % at) for at, word in enumerate(words)], lambda: True)

    assert [(one.key, one.value) for one in kafka.logs["counts", 0]] == [
        (b"so", b"1"),
        (b"many", b"1"),
        (b"so", b"2"),
        (b"so", b"3"),
    ]
