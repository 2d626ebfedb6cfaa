"""A small simulated world, built once."""

from datetime import UTC, datetime
from functools import cache

from services.simulator.provider.catalogue import PROVIDERS
from services.simulator.script import Step, script
from services.simulator.world import World, WorldOptions, build

UNTIL = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALL = frozenset(PROVIDERS)


def options(customers: int = 120, days: int = 120, seed: int = 3) -> WorldOptions:
    return WorldOptions(customers=customers, days=days, seed=seed, until=UNTIL, prefix=f"sim{seed}")


@cache
def world() -> World:
    return build(options())


@cache
def steps() -> tuple[Step, ...]:
    return tuple(script(world(), ALL))
