"""A lively last day for demonstrations: more small talk, and people who lose patience within hours."""

from random import Random
from typing import Final

from msgspec.structs import replace

from services.simulator.life.model import CAUSES, HOUR_MS, Act, Life, Medium
from services.simulator.life.talk import Talker, in_order

LAST_MS: Final = 22 * HOUR_MS
_ONE_IN: Final = 4
_TALKS: Final = 2.5
_ANGER: Final = ("complaint", "again", "furious", "furious", "farewell")


def enlivened(life: Life, until_ms: int, chance: Random) -> Life:
    """Return the life with a lively end: one person in four loses patience, the others talk a few times each."""
    if life.decision is not None and life.decision.at_ms < until_ms:
        return life
    # Turns and conversations beyond any that the life itself has.
    talker = Talker(life.person, chance, chance, first_turn=50_000)
    began_ms = until_ms - LAST_MS
    acts = list(life.acts)
    if life.person.index % _ONE_IN == 1 and began_ms > life.person.joined_ms:
        acts += _losing_patience(life, talker, began_ms, chance)
    else:
        for _ in range(min(int(chance.expovariate(1 / _TALKS)), 6)):
            at_ms = began_ms + int(LAST_MS * chance.random())
            if at_ms > life.person.joined_ms:
                talk, medium = talker.new_talk()
                said = talker.say(at_ms, "praise" if chance.random() < 0.25 else "everyday", talk, medium)
                acts += [said, *talker.answer(said, "agent_answer")]
    return replace(life, acts=in_order(acts))


def _losing_patience(life: Life, talker: Talker, began_ms: int, chance: Random) -> list[Act]:
    core = talker.core(CAUSES[life.person.index // _ONE_IN % len(CAUSES)])
    talk, _ = talker.new_talk()
    acts: list[Act] = []
    for number, kind in enumerate(_ANGER):
        # Spread over the day, each time somewhere else: whoever is not heard tries another door.
        medium: Medium = life.person.media[number % 2]
        at_ms = began_ms + int((number + chance.uniform(0.2, 0.8)) * LAST_MS / len(_ANGER))
        acts.append(talker.say(at_ms, kind, talk, medium, core=core))
    return acts
