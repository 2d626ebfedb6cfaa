"""The best that could be known: a Bayesian filter with every customer's own parameters, and without the future. Pure.

Works in whole UTC days within each silence (from one order to the next). Masses: active and never paused (exact gap
survival in operational time), paused, back from a pause (memoryless), and left.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from services.simulator.life import episode, live
from services.simulator.life.model import DAY_MS, Incident, Life, Ordered, Said
from services.simulator.life.rhythm import intensity, p_gap_exceeds
from services.simulator.score import Alert
from services.simulator.world import World
from shared.clock import from_ms

THRESHOLDS: Final = (*(n / 40 for n in range(6, 39)), 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)


class Silence(Struct, frozen=True, kw_only=True):
    """One silence and the oracle's probability at each of its days' ends that the customer left or is about to."""

    customer_id: str
    ended_ms: int | None
    days: list[tuple[int, float]]


def watch(world: World) -> list[Silence]:
    """Return every silence of the world up to its end."""
    return [silence for one in world.lives for silence in _silences(one, world)]


def alerts(silences: Sequence[Silence], threshold: float) -> list[Alert]:
    """Return the alerts of whoever trusts the oracle from a probability on: one a silence, ended by an order."""
    raised: list[Alert] = []
    for number, silence in enumerate(silences):
        at_ms = next((end_ms for end_ms, p in silence.days if p >= threshold), None)
        if at_ms is not None:
            raised.append(
                Alert(
                    alert_id=str(number),
                    customer_id=silence.customer_id,
                    raised_at=from_ms(at_ms),
                    resolved_at=None if silence.ended_ms is None else from_ms(silence.ended_ms),
                )
            )
    return raised


def _silences(life: Life, world: World) -> Iterator[Silence]:
    until_ms = world.span.until_ms
    orders = [act.at_ms for act in life.acts if isinstance(act, Ordered) and act.at_ms < until_ms]
    for index, began_ms in enumerate(orders):
        next_ms = orders[index + 1] if index + 1 < len(orders) else None
        days = list(_filter(life, world, began_ms, next_ms or until_ms))
        yield Silence(customer_id=life.person.id, ended_ms=next_ms, days=days)


def _filter(life: Life, world: World, began_ms: int, ends_ms: int) -> Iterator[tuple[int, float]]:
    person = life.person
    span_days = (world.span.end_ms - world.span.start_ms) / DAY_MS
    p_pause, p_resume = live.P_PAUSE / span_days, 2 / sum(live.PAUSE_DAYS)
    drift_days = live.DRIFT_DELAY_DAYS[1]
    silent_days = episode.FIRST_DAYS[1] + episode.DECIDES_WITHIN_DAYS
    p_silent = episode.P_INCIDENT * (1 - episode.p_tells(person.voice)) * episode.mean_p_leaves_silent()
    said = [
        act for act in life.acts if isinstance(act, Said) and act.kind in ("farewell", "hint") and act.at_ms >= began_ms
    ]
    active, paused, back, left = 1.0, 0.0, 0.0, 0.0
    passed = 0.0
    day = began_ms // DAY_MS
    while (day + 1) * DAY_MS <= ends_ms:
        begins_ms, over_ms = max(day * DAY_MS, began_ms), (day + 1) * DAY_MS
        share = (over_ms - begins_ms) / DAY_MS
        age_days = (over_ms - began_ms) / DAY_MS
        step = intensity(day, person.language) * share
        before = p_gap_exceeds(passed, person.rate, person.regularity)
        passed += step
        active *= p_gap_exceeds(passed, person.rate, person.regularity) / before if before > 0 else 0.0
        back *= max(1 - person.rate * step, 0.0)
        leaving = share * (person.p_drift / drift_days if age_days <= drift_days else 0.0)
        leaving += share * (p_silent / silent_days if age_days <= silent_days else 0.0)
        known = [one for one in life.incidents if one.is_told and one.at_ms < over_ms and one.decides_ms >= begins_ms]
        for incident in known:
            if incident.decides_ms < over_ms:
                leaving += (1 - leaving) * incident.p_leave
        for act in said:
            if begins_ms <= act.at_ms < over_ms:
                leaving = 1.0 if act.kind == "farewell" else leaving + (1 - leaving) * _p_hint(life)
        left += leaving * (active + paused + back)
        active, paused, back = (mass * (1 - leaving) for mass in (active, paused, back))
        active, paused, back = (
            active * (1 - p_pause * share),
            paused * (1 - p_resume * share) + active * p_pause * share,
            back + paused * p_resume * share,
        )
        here = active + paused + back
        total = here + left
        yield over_ms, (left + here * _about_to(known, over_ms)) / total if total > 0 else 1.0
        day += 1


def _about_to(known: Sequence[Incident], at_ms: int) -> float:
    """Return the probability to leave over incidents that are running and not yet decided."""
    stays = 1.0
    for incident in known:
        if incident.decides_ms >= at_ms:
            stays *= 1 - incident.p_leave
    return 1 - stays


def _p_hint(life: Life) -> float:
    """Return how likely a first word about price or competitor is a parting one, not the begin of an incident."""
    person = life.person
    parting = person.p_drift * live.P_NAMED_DRIFT * live.P_HINT
    incident = episode.P_INCIDENT * episode.p_tells(person.voice) * episode.P_OFFER
    return parting / (parting + incident)
