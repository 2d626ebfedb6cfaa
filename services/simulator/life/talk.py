"""Conversations: what is said by whom and when, with delays of people and of the desk."""

from collections.abc import Iterable
from random import Random

from services.simulator.life.model import HOUR_MS, Act, Cause, Medium, Person, Rated, Said, Speaker, Ticket
from services.simulator.life.rhythm import office_hours
from services.simulator.text.grammar import sentence


class Talker:
    """One person's conversations, numbered; `words` chooses texts only, so the process does not hang on the grammar."""

    def __init__(self, person: Person, chance: Random, words: Random, first_turn: int = 0) -> None:
        self._person = person
        self._chance = chance
        self._words = words
        self._talks = self._turns = first_turn

    def new_talk(self) -> tuple[int, Medium]:
        """Return the number of a new conversation and where it is held."""
        self._talks += 1
        return self._talks, self._chance.choices(self._person.media, (70, 30))[0]

    def turn(self) -> int:
        self._turns += 1
        return self._turns

    def core(self, cause: Cause) -> str:
        """Return what a grievance is about, to be told as often as it takes."""
        return sentence(self._person.language, cause, self._words)

    def say(
        self, at_ms: int, kind: str, talk: int, medium: Medium, speaker: Speaker = "customer", core: str = ""
    ) -> Said:
        """Return one message of a kind of the grammar; calls have a length."""
        subject = ""
        if medium == "email":
            is_complaint = kind in ("complaint", "hint", "again", "furious", "mild", "farewell")
            subject = sentence(
                self._person.language, f"subject_{'complaint' if is_complaint else 'everyday'}", self._words
            )
        return Said(
            at_ms=at_ms,
            medium=medium,
            speaker=speaker,
            text=sentence(self._person.language, kind, self._words, core),
            talk=talk,
            turn=self.turn(),
            kind=kind,
            subject=subject,
            seconds=int(self._chance.lognormvariate(5.2, 0.6)) if medium == "phone" else 0,
        )

    def answer(self, question: Said, kind: str) -> Iterable[Said]:
        """Yield what comes back: in a chat a bot at once, then a person within hours; on the phone nothing more."""
        if question.medium == "phone":
            return
        if question.medium == "chat" and self._chance.random() < 0.5:
            yield self.say(question.at_ms + 2_000, "bot", question.talk, "chat", "bot")
        typical_h = {"chat": 0.4, "sms": 1.0, "email": 3.0}[question.medium]
        delay_ms = int(self._chance.lognormvariate(0, 0.8) * typical_h * HOUR_MS)
        at_ms = office_hours(question.at_ms + 4_000, self._person.language) + delay_ms
        yield self.say(at_ms, kind, question.talk, question.medium, "agent")

    def csat(self, at_ms: int, talk: int, mood: float) -> Rated:
        """Return a rating of a conversation; `mood` from -1 (furious) to 1."""
        score = round(3.9 + 2.2 * mood + self._chance.gauss(0, 0.6))
        return Rated(at_ms=at_ms, turn=self.turn(), kind="csat", score=min(max(score, 1), 5), talk=talk)

    def nps(self, at_ms: int, mood: float) -> Rated:
        score = round(8.2 + 5 * mood + self._chance.gauss(0, 1.2))
        return Rated(at_ms=at_ms, turn=self.turn(), kind="nps", score=min(max(score, 0), 10))

    def ticket(self, at_ms: int, step: str, number: int, text: str = "", speaker: Speaker = "customer") -> Ticket:
        return Ticket(at_ms=at_ms, step=step, number=number, turn=self.turn(), text=text, speaker=speaker)  # type: ignore[arg-type]


def in_order(acts: Iterable[Act]) -> tuple[Act, ...]:
    """Return acts by time; those of one instant keep their order."""
    return tuple(sorted(acts, key=lambda act: act.at_ms))
