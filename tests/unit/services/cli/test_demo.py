from datetime import UTC, datetime

from services.cli.demo import erasures
from services.ingest.event.decide import decide
from services.simulator.life.model import HOUR_MS, Said
from services.simulator.script import script
from services.simulator.world import WorldOptions, build
from shared.contracts.codec import encode

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOWN = WorldOptions(customers=36, days=60, seed=99_983, until=NOW, prefix="demo", is_show=True)


def test_the_last_day_of_a_show_has_people_who_lose_patience() -> None:
    made = build(SHOWN)
    last = made.span.until_ms - 23 * HOUR_MS

    angry = [
        life.person.index
        for life in made.lives
        if sum(1 for act in life.acts if isinstance(act, Said) and act.kind == "furious" and act.at_ms >= last) >= 2
    ]

    assert angry
    assert all(index % 4 == 1 for index in angry)


def test_everything_a_demo_customer_is_known_by_is_erased() -> None:
    profiles = [step.event for step in script(build(SHOWN), frozenset()) if step.is_profile and step.event]
    told = {profile["customer"]["id"] for profile in profiles}
    told |= {handle for profile in profiles for handle in profile["customer"]["handles"]}

    erased = [event["customer"] for event in erasures(36, NOW.isoformat())]

    assert told <= {one.get("id") or one["handles"][0] for one in erased}


def test_erasures_are_valid_events() -> None:
    verdict = decide([encode(event) for event in erasures(12, NOW.isoformat())], NOW, {})

    assert verdict.rejected == []
