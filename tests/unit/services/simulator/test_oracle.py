from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from services.simulator import oracle, truth
from services.simulator.life.model import Life
from services.simulator.score import judge
from services.simulator.truth import CustomerTruth
from services.simulator.world import World, build
from tests.factories.simulated import options, world


@cache
def larger() -> World:
    return build(options(customers=300, days=180, seed=11))


@cache
def silences() -> Sequence[oracle.Silence]:
    return oracle.watch(larger())


def truths(made: World) -> list[CustomerTruth]:
    return [truth.customer_truth(life, made) for life in made.lives]


def test_the_oracle_s_probabilities_are_calibrated() -> None:
    """Of days on which it says p that somebody has left or is about to, a share p is such days."""
    decisions = {life.person.id: life for life in larger().lives}
    said = [
        (p, _is_gone(decisions[one.customer_id], at_ms)) for one in silences() for at_ms, p in one.days if 0.2 < p < 0.9
    ]

    mean_said = sum(p for p, _ in said) / len(said)
    share_gone = sum(gone for _, gone in said) / len(said)

    assert len(said) > 1_000
    assert mean_said == pytest.approx(share_gone, abs=0.08)


def test_a_higher_threshold_gives_fewer_alerts_and_more_of_them_right() -> None:
    head = truth.header(larger(), [], {}, 0.0)
    low, high = (judge(head, truths(larger()), oracle.alerts(silences(), threshold)) for threshold in (0.3, 0.8))

    assert high.n_alerts < low.n_alerts
    assert high.precision.value > low.precision.value


def test_the_oracle_does_not_know_the_future() -> None:
    """Had the world ended a month earlier, it would have said the same until then."""
    made = larger()
    cut_ms = made.span.until_ms - 30 * 86_400_000
    shorter = World(made.options, replace(made.span, until_ms=cut_ms), made.lives)

    said = [(one.customer_id, day) for one in silences() for day in one.days if day[0] <= cut_ms]
    said_earlier = [(one.customer_id, day) for one in oracle.watch(shorter) for day in one.days]

    assert said_earlier == said


def test_a_truth_file_reads_as_it_was_written(tmp_path: Path) -> None:
    head = truth.header(world(), ["line", "slack"], {"late": 0.1}, 60.0)
    truth.write(tmp_path / "t.ndjson", head, truths(world()))

    assert truth.read(tmp_path / "t.ndjson") == (head, truths(world()))
    assert [truth.customer_truth(life, again) for again in [build(head.options())] for life in again.lives] == truths(
        world()
    )


def test_what_is_no_truth_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.ndjson").write_text('{"a": 1}\n')

    with pytest.raises(truth.TruthError):
        truth.read(tmp_path / "t.ndjson")


def _is_gone(life: Life, at_ms: int) -> bool:
    return life.decision is not None and life.decision.at_ms <= at_ms + 86_400_000
