"""Something goes wrong: what it is, whether it is spoken of, what the company does about it, and who leaves over it."""

from dataclasses import dataclass
from math import exp
from random import Random
from typing import Final

from services.simulator.life.model import DAY_MS, HOUR_MS, Act, Cause, Incident, Ordered, Person, Returned
from services.simulator.life.rhythm import time_of_day
from services.simulator.life.talk import Talker

P_INCIDENT: Final = 0.07  # an order
_CAUSE_WEIGHTS: Final[dict[Cause, float]] = {
    "quality": 0.2,
    "function": 0.12,
    "logistics": 0.2,
    "after_sales": 0.1,
    "attitude": 0.07,
    "waiting": 0.08,
    "billing": 0.08,
    "price": 0.1,
    "competitor": 0.05,
}
P_OFFER: Final = _CAUSE_WEIGHTS["price"] + _CAUSE_WEIGHTS["competitor"]
FIRST_DAYS: Final = (0.5, 6.0)
_SEVERITY: Final = (2.0, 3.0)  # beta
# Log-odds of leaving over an incident: base, per severity, and more when it stays unsolved.
_LEAVING: Final = (-3.4, 3.5, 1.2)
_SILENT_EXTRA: Final = 0.6
DECIDES_WITHIN_DAYS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Episode:
    incident: Incident
    acts: list[Act]
    is_leaving: bool


def p_tells(voice: float) -> float:
    """Return the probability that somebody of that voice speaks of what went wrong."""
    return 0.35 + 0.5 * voice


def p_leaves(severity: float, is_told: bool, is_resolved: bool) -> float:
    base, per_severity, unresolved = _LEAVING
    more = (0.0 if is_resolved else unresolved) if is_told else _SILENT_EXTRA
    return 1 / (1 + exp(-(base + per_severity * severity + more)))


def mean_p_leaves_silent() -> float:
    """Return the chance to leave over an unspoken incident, averaged over its severity (beta(2, 3), 200 steps)."""
    steps = [(i + 0.5) / 200 for i in range(200)]
    density = [12 * s * (1 - s) ** 2 for s in steps]
    return sum(d * p_leaves(s, False, False) for s, d in zip(steps, density, strict=True)) / sum(density)


def play(person: Person, order: Ordered, talker: Talker, chance: Random) -> Episode:
    """Return what follows from something that went wrong with an order."""
    causes, weights = zip(*_CAUSE_WEIGHTS.items(), strict=True)
    cause: Cause = chance.choices(causes, weights)[0]
    severity = chance.betavariate(*_SEVERITY)
    at_ms = time_of_day(order.at_ms + int(chance.uniform(*FIRST_DAYS) * DAY_MS), person.language, chance)
    at_ms = max(at_ms, order.at_ms + HOUR_MS)
    if chance.random() >= p_tells(person.voice):
        return _silent(cause, severity, at_ms, chance)
    return _spoken(person, order, cause, severity, at_ms, talker, chance)


def _silent(cause: Cause, severity: float, at_ms: int, chance: Random) -> Episode:
    p_leave = p_leaves(severity, False, False)
    decides_ms = at_ms + int(chance.uniform(0, DECIDES_WITHIN_DAYS) * DAY_MS)
    incident = Incident(
        at_ms=at_ms,
        cause=cause,
        severity=severity,
        is_told=False,
        is_resolved=False,
        decides_ms=decides_ms,
        p_leave=p_leave,
    )
    return Episode(incident, [], chance.random() < p_leave)


def _spoken(
    person: Person, order: Ordered, cause: Cause, severity: float, at_ms: int, talker: Talker, chance: Random
) -> Episode:
    is_resolved = chance.random() < 0.75 - 0.35 * severity
    n_more = 0 if is_resolved and severity < 0.3 else min(int(chance.expovariate(1 / (0.6 + 2 * severity))), 5)
    talk, medium = talker.new_talk()
    kind = "mild" if severity < 0.25 else "complaint"
    core = talker.core(cause)
    first = talker.say(at_ms, kind, talk, medium, core=core)
    acts: list[Act] = [first, *talker.answer(first, "agent_sorry")]
    ticket = order.number if chance.random() < 0.4 else None
    if ticket is not None:
        acts.append(talker.ticket(at_ms + 60_000, "opened", ticket, first.text))
    last_ms = at_ms
    for repeat in range(n_more):
        last_ms = time_of_day(last_ms + int(chance.uniform(0.8, 2.5) * DAY_MS), person.language, chance)
        last_ms = max(last_ms, acts[-1].at_ms + HOUR_MS)
        angrier = "furious" if severity > 0.5 and repeat >= 1 else "again"
        message = talker.say(last_ms, angrier, talk, medium, core=core)
        acts += [message, *talker.answer(message, "agent_sorry")]
        if ticket is not None and repeat == 1:
            acts += _reopened(talker, ticket, last_ms)
    end_ms = max(act.at_ms for act in acts) + int(chance.uniform(2, 30) * HOUR_MS)
    acts += _ending(talker, talk, medium == "phone", is_resolved, ticket, end_ms, severity, chance)
    if cause in ("quality", "logistics", "function") and chance.random() < 0.3:
        acts.append(Returned(at_ms=end_ms + 20 * HOUR_MS, number=order.number, amount=order.amount))
    decides_ms = end_ms + int(chance.uniform(0, DECIDES_WITHIN_DAYS) * DAY_MS)
    p_leave = p_leaves(severity, True, is_resolved)
    is_leaving = chance.random() < p_leave
    if is_leaving and chance.random() < 0.35:
        talk, medium = talker.new_talk()
        acts.append(talker.say(decides_ms + HOUR_MS, "farewell", talk, medium))
    incident = Incident(
        at_ms=at_ms,
        cause=cause,
        severity=severity,
        is_told=True,
        is_resolved=is_resolved,
        decides_ms=decides_ms,
        p_leave=p_leave,
    )
    return Episode(incident, acts, is_leaving)


def _reopened(talker: Talker, ticket: int, at_ms: int) -> list[Act]:
    """The desk closed too early and the customer said so."""
    return [
        talker.ticket(at_ms - 30 * 60_000, "resolved", ticket, speaker="agent"),
        talker.ticket(at_ms + 60_000, "reopened", ticket),
    ]


def _ending(
    talker: Talker,
    talk: int,
    is_call: bool,
    is_resolved: bool,
    ticket: int | None,
    end_ms: int,
    severity: float,
    chance: Random,
) -> list[Act]:
    acts: list[Act] = []
    if not is_call:
        acts.append(talker.say(end_ms, "agent_fixed" if is_resolved else "agent_refused", talk, "email", "agent"))
    if ticket is not None and (is_resolved or chance.random() < 0.5):
        acts.append(talker.ticket(end_ms + 60_000, "resolved", ticket, speaker="agent"))
    if is_resolved and chance.random() < 0.4:
        acts.append(talker.say(end_ms + 2 * HOUR_MS, "relief", talk, "email"))
    if chance.random() < 0.4:
        acts.append(talker.csat(end_ms + 6 * HOUR_MS, talk, (0.2 if is_resolved else -0.6) - 0.5 * severity))
    return acts
