"""The whole world from its parameters: the same parameters give the same people, lives and decisions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import msgspec

from services.simulator.life.live import Span, live
from services.simulator.life.model import Life
from services.simulator.life.person import draw_person
from services.simulator.life.show import enlivened
from shared.clock import to_ms

VERSION = 1
# The world goes on unseen for so long, to know of each who was left whether he was about to go.
AFTERLIFE = timedelta(days=30)


class WorldOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`until` is the instant up to which events are sent; `prefix` begins every customer's id.

    `talkativeness` multiplies everyday contacts. `is_show` makes the last day as lively as a big shop's, with some
    people who lose patience before one's eyes: for demonstrations, not for judging.
    """

    customers: int
    days: int
    seed: int
    until: datetime
    prefix: str = "sim"
    talkativeness: float = 1.0
    is_show: bool = False


@dataclass(frozen=True, slots=True)
class World:
    options: WorldOptions
    span: Span
    lives: list[Life]


def build(options: WorldOptions) -> World:
    """Return the world; person number n has the same life whatever the number of customers."""
    until_ms = to_ms(options.until)
    span = Span(until_ms - options.days * 86_400_000, until_ms, to_ms(options.until + AFTERLIFE))
    return World(options, span, [_life(options, span, index) for index in range(options.customers)])


def _life(options: WorldOptions, span: Span, index: int) -> Life:
    # Reproducible, not secret; people, fates and words each have their own numbers.
    who, fate, words = (Random(f"{options.seed}/{index}/{part}") for part in ("who", "fate", "words"))  # noqa: S311
    person = draw_person(index, options.prefix, options.seed, span.start_ms, span.until_ms, who)
    life = live(person, span, fate, words, options.talkativeness)
    return enlivened(life, span.until_ms, words) if options.is_show else life
