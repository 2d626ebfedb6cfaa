from collections import Counter
from itertools import pairwise

from msgspec.structs import replace

from services.simulator.life.model import Ordered, Said
from services.simulator.script import Step, script, tail_start_ms
from services.simulator.world import build
from tests.factories.simulated import ALL, options, steps, world


def test_the_same_parameters_give_the_same_bytes() -> None:
    again = script(build(options()), ALL)

    assert tuple(again) == steps()


def test_another_seed_gives_another_world_without_a_common_handle() -> None:
    one, other = (_all_handles(script(build(options(40, 30, seed)), ALL)) for seed in (1, 2))

    assert one and not one & other


def test_a_person_has_the_same_life_among_few_and_among_many() -> None:
    few = build(options(customers=10))

    assert few.lives == world().lives[:10]


def test_talkative_people_buy_and_leave_as_the_others_do() -> None:
    talkative = build(replace(options(), talkativeness=5.0))

    assert [life.decision for life in talkative.lives] == [life.decision for life in world().lives]
    assert [life.order_times() for life in talkative.lives] == [life.order_times() for life in world().lives]


def test_nobody_orders_after_the_decision_to_leave() -> None:
    leavers = [life for life in world().lives if life.decision]

    assert len(leavers) > 10
    assert all(at_ms <= life.decision.at_ms for life in leavers if life.decision for at_ms in life.order_times())


def test_everything_is_told_in_order_and_before_the_end() -> None:
    told = [step for step in steps() if not step.is_profile]

    assert all(earlier.at_ms <= later.at_ms for earlier, later in pairwise(told))
    assert all(world().span.start_ms <= step.at_ms < world().span.until_ms for step in told)


def test_every_step_has_a_key_of_its_own() -> None:
    repeated = [key for key, n in Counter(step.key for step in steps()).items() if n > 1]

    assert repeated == []


def test_payloads_without_a_time_are_sent_of_the_last_day_alone() -> None:
    dates = [step.at_ms for step in steps() if step.delivery is not None and step.delivery.provider == "twilio"]

    assert all(at_ms >= tail_start_ms(world()) for at_ms in dates)


def test_without_accounts_all_is_told_as_own_events() -> None:
    plain = script(world(), frozenset())

    assert all(step.event is not None for step in plain)
    assert len(plain) > 0.8 * len(steps())


def test_customers_hardly_repeat_themselves() -> None:
    lives = build(options(customers=200, days=180)).lives
    texts = [act.text for life in lives for act in life.acts if isinstance(act, Said) and act.speaker == "customer"]

    assert len(set(texts)) > 0.8 * len(texts)
    assert not any("{" in text or "}" in text for text in texts)


def test_orders_are_of_the_person_s_own_rhythm() -> None:
    """Compared with the law they are drawn from: orders a day over all people, pauses and leavers apart."""
    stayers = [life for life in build(options(customers=150, days=360)).lives if not life.decision and not life.pause]
    expected = sum(
        life.person.rate * (life_span(life.person.joined_ms, world().span.end_ms) - 0.5 / life.person.rate)
        for life in stayers
    )
    ordered = sum(1 for life in stayers for act in life.acts if isinstance(act, Ordered))

    assert 0.9 < ordered / expected < 1.15


def _all_handles(told: list[Step]) -> set[str]:
    profiles = [step.event for step in told if step.is_profile and step.event is not None]
    return {handle for profile in profiles for handle in profile["customer"]["handles"]}


def life_span(from_ms: int, until_ms: int) -> float:
    return (until_ms - from_ms) / 86_400_000
