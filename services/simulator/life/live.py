"""One person's life from joining to the end of the world, or to the day they decide that it was enough."""

from dataclasses import dataclass
from random import Random
from typing import Final

from services.simulator.life import episode
from services.simulator.life.model import (
    DAY_MS,
    HOUR_MS,
    Act,
    Cause,
    Decision,
    Incident,
    Inquired,
    Invoice,
    Life,
    Ordered,
    Pause,
    Person,
)
from services.simulator.life.rhythm import next_order, time_of_day
from services.simulator.life.talk import Talker, in_order

P_PAUSE: Final = 0.12
PAUSE_DAYS: Final = (25.0, 60.0)
_DRIFT_CAUSES: Final[dict[Cause, float]] = {"competitor": 0.4, "price": 0.25, "unknown": 0.35}
P_NAMED_DRIFT: Final = _DRIFT_CAUSES["competitor"] + _DRIFT_CAUSES["price"]
DRIFT_DELAY_DAYS: Final = (0.5, 7.0)
P_HINT: Final = 0.35
_EVERYDAY_A_DAY: Final = 1 / 30
_INQUIRY_A_DAY: Final = 1 / 75
_P_SURVEY: Final = 0.06
_MOOD_HALF_LIFE_MS: Final = 45 * DAY_MS
_CATEGORIES: Final = ("coffee", "equipment", "care", "accessories")


@dataclass(frozen=True, slots=True)
class Span:
    """What is simulated: sent from `start_ms` until `until_ms`; lived on until `end_ms`, to see who was about to go."""

    start_ms: int
    until_ms: int
    end_ms: int


class _Story:
    """A life being written."""

    def __init__(self, person: Person, span: Span, chance: Random, words: Random, talkativeness: float) -> None:
        self.person = person
        self.span = span
        self.chance = chance
        self.talker = Talker(person, chance, words)
        self.talkativeness = talkativeness
        self.acts: list[Act] = []
        self.incidents: list[Incident] = []
        self.decision: Decision | None = None
        self.pause: Pause | None = None

    def tell(self) -> Life:
        if self.chance.random() < P_PAUSE:
            from_ms = self._uniform(self.span.start_ms, self.span.end_ms)
            self.pause = Pause(from_ms, from_ms + int(self.chance.uniform(*PAUSE_DAYS) * DAY_MS))
        self._buy()
        self._chat()
        leaves_ms = self.decision.at_ms if self.decision else self.span.end_ms
        kept = [act for act in self.acts if act.at_ms < self.span.end_ms and self._may_happen(act, leaves_ms)]
        return Life(
            person=self.person,
            acts=in_order(kept),
            incidents=tuple(sorted(self.incidents, key=lambda one: one.at_ms)),
            pause=self.pause,
            decision=self.decision if self.decision and self.decision.at_ms < self.span.end_ms else None,
        )

    def _may_happen(self, act: Act, leaves_ms: int) -> bool:
        """Whoever has left buys nothing more; what was owed and said about it goes on."""
        return not isinstance(act, Ordered | Inquired) or act.at_ms <= leaves_ms

    def _buy(self) -> None:
        person = self.person
        # Whoever was there before the world began is somewhere within a gap.
        share = self.chance.random() if person.joined_ms <= self.span.start_ms else 0.02
        at_ms = next_order(person.joined_ms, share * self._gap(), person.language, self.pause, self.span.end_ms)
        number = 0
        while at_ms is not None and not (self.decision and at_ms >= self.decision.at_ms):
            number += 1
            order = self._order(max(time_of_day(at_ms, person.language, self.chance), person.joined_ms), number)
            self._after(order)
            at_ms = next_order(at_ms, self._gap(), person.language, self.pause, self.span.end_ms)

    def _gap(self) -> float:
        return self.chance.gammavariate(self.person.regularity, 1 / (self.person.regularity * self.person.rate))

    def _order(self, at_ms: int, number: int) -> Ordered:
        n_items = 1 + min(int(self.chance.expovariate(1.2)), 4)
        amounts = [round(self.person.basket / n_items * self.chance.lognormvariate(0, 0.3), 2) for _ in range(n_items)]
        products = tuple((self.chance.choice(_CATEGORIES), max(amount, 1.0)) for amount in amounts)
        order = Ordered(at_ms=at_ms, number=number, amount=round(sum(p for _, p in products), 2), products=products)
        self.acts.append(order)
        return order

    def _after(self, order: Ordered) -> None:
        chance = self.chance
        if self.person.pays_by_invoice:
            self._invoice(order)
        if chance.random() < _P_SURVEY:
            self.acts.append(self.talker.nps(order.at_ms + 3 * DAY_MS, self._mood(order.at_ms)))
        if chance.random() < self.person.p_drift:
            self._drift(order)
        if chance.random() < episode.P_INCIDENT:
            played = episode.play(self.person, order, self.talker, chance)
            self.acts += played.acts
            self.incidents.append(played.incident)
            if played.is_leaving:
                self._decide(
                    Decision(
                        at_ms=played.incident.decides_ms, cause=played.incident.cause, is_told=played.incident.is_told
                    )
                )

    def _invoice(self, order: Ordered) -> None:
        """Bills fall due after two weeks; the unhappy let them lie."""
        due_ms = order.at_ms + 14 * DAY_MS
        is_late = self.chance.random() < (0.45 if self._mood(order.at_ms) < -0.2 else 0.06)
        after_days = self.chance.uniform(6, 25) if is_late else -abs(self.chance.gauss(2, 2))
        paid_ms = max(due_ms + int(after_days * DAY_MS), order.at_ms + HOUR_MS)

        def step(name: str, at_ms: int) -> Invoice:
            return Invoice(at_ms=at_ms, step=name, number=order.number, amount=order.amount, due_ms=due_ms)  # type: ignore[arg-type]

        self.acts += [step("due", order.at_ms + HOUR_MS), step("paid", paid_ms)]
        if is_late:
            self.acts.append(step("late", due_ms + 5 * DAY_MS))

    def _drift(self, order: Ordered) -> None:
        """Leaving without a grievance: a better offer, the price, or a reason that is none of the shop's."""
        causes, weights = zip(*_DRIFT_CAUSES.items(), strict=True)
        cause: Cause = self.chance.choices(causes, weights)[0]
        at_ms = order.at_ms + int(self.chance.uniform(*DRIFT_DELAY_DAYS) * DAY_MS)
        is_told = cause != "unknown" and self.chance.random() < P_HINT
        if is_told:
            talk, medium = self.talker.new_talk()
            hint = self.talker.say(
                max(at_ms - 6 * HOUR_MS, order.at_ms), "hint", talk, medium, core=self.talker.core(cause)
            )
            self.acts += [hint, *self.talker.answer(hint, "agent_sorry")]
        self._decide(Decision(at_ms=at_ms, cause=cause, is_told=is_told))

    def _decide(self, decision: Decision) -> None:
        if self.decision is None or decision.at_ms < self.decision.at_ms:
            self.decision = decision

    def _chat(self) -> None:
        """Everyday questions, praise and inquiries, until the person leaves."""
        person = self.person
        until_ms = self.decision.at_ms if self.decision else self.span.end_ms
        at_ms = person.joined_ms
        a_day = (_EVERYDAY_A_DAY + _INQUIRY_A_DAY) * self.talkativeness
        while (at_ms := at_ms + int(self.chance.expovariate(a_day) * DAY_MS)) < until_ms:
            when = time_of_day(at_ms, person.language, self.chance)
            if not person.joined_ms <= when < until_ms:
                continue
            if self.chance.random() < _INQUIRY_A_DAY / (_EVERYDAY_A_DAY + _INQUIRY_A_DAY):
                talk, medium = self.talker.new_talk()
                said = self.talker.say(when, "inquiry", talk, medium)
                self.acts.append(Inquired(at_ms=when, turn=said.turn, text=said.text, medium=medium))
            else:
                self._everyday(when)

    def _everyday(self, at_ms: int) -> None:
        talk, medium = self.talker.new_talk()
        mood = self._mood(at_ms)
        kind = "praise" if mood > -0.1 and self.chance.random() < 0.25 else "everyday"
        said = self.talker.say(at_ms, kind, talk, medium)
        self.acts += [said, *self.talker.answer(said, "agent_answer")]
        if self.chance.random() < 0.15:
            self.acts.append(self.talker.csat(at_ms + 26 * HOUR_MS, talk, 0.2 + mood))

    def _mood(self, at_ms: int) -> float:
        """Return the mood from what went wrong before, fading with a half-life of 45 days; 0 is content."""
        mood = 0.0
        for incident in self.incidents:
            if incident.at_ms <= at_ms:
                weight = 0.5 if incident.is_resolved else 1.0
                mood -= weight * incident.severity * 0.5 ** ((at_ms - incident.at_ms) / _MOOD_HALF_LIFE_MS)
        return max(mood, -1.0)

    def _uniform(self, low: int, high: int) -> int:
        return low + int((high - low) * self.chance.random())


def live(person: Person, span: Span, chance: Random, words: Random, talkativeness: float = 1.0) -> Life:
    """Return a person's life; `talkativeness` multiplies everyday contacts and nothing that bears on leaving."""
    return _Story(person, span, chance, words, talkativeness).tell()
