"""Silence checks asked for by many customers at once and answered together: which raises, and what the score says.

A customer's answer does not depend on who else asks: every computation is elementwise over the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np

from services.churn_alerts.customer.columns import Columns, Days
from services.churn_alerts.customer.due import NEVER, SilencePolicy, first_check_from, first_crossing, floor_days
from services.churn_alerts.customer.due import InForce as Entry
from services.churn_alerts.customer.features import usual_gap_days
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.in_force import Basis, InForce
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.score import score
from services.churn_alerts.customer.state import UNPLANNED
from shared.contracts.alert import Tier


@dataclass(frozen=True, slots=True)
class View:
    """What the score says of a customer after `silence_days` of silence; `contributions` are by reason group."""

    p: float
    contributions: tuple[float, ...]
    silence_days: int
    usual_gap_days: float
    generation: Generation


@dataclass(frozen=True, slots=True)
class Crossing:
    """Asks for the first check in [first_check, until_u) whose risk reaches the threshold.

    `first_check` is on the ladder of checks, or UNPLANNED: then the ladder starts at the floor, and checks before
    `from_u` are skipped. `tier` chooses the threshold; `sigma` (log-odds) is what other signals add to the risk.
    """

    purchases: Purchases
    basis: Basis
    first_check: int
    until_u: int
    tier: Tier
    sigma: float = 0.0
    from_u: int = 0


@dataclass(frozen=True, slots=True)
class Crossed:
    """The check that raises with what the score says there (`view` None: no check raises), and the first one after."""

    view: View | None
    next_check: int


@dataclass(frozen=True, slots=True)
class Look:
    """Asks what the score says after `silence_days`; a plain look, no check."""

    purchases: Purchases
    basis: Basis
    silence_days: int


Question = Crossing | Look


def threshold_with(threshold: float, sigma: float) -> float:
    """Return the risk at which silence raises when other signals add `sigma` log-odds to it."""
    if sigma == 0.0:
        return threshold
    return 1.0 / (1.0 + exp(-(log(threshold / (1.0 - threshold)) - sigma))) if 0.0 < threshold < 1.0 else threshold


def answer(questions: Sequence[Question], in_force: InForce) -> list[View | Crossed]:
    """Return the answers in the order of the questions."""
    if not questions:
        return []
    columns = Columns.from_states([question.purchases for question in questions])
    looks: list[tuple[int, int]] = []
    next_checks: dict[int, int] = {}
    crossings = [row for row, question in enumerate(questions) if isinstance(question, Crossing)]
    if crossings:
        found, next_checks = _cross(questions, crossings, columns, in_force)
        looks.extend((row, u) for row, u in found.items() if u != NEVER)
    looks.extend((row, question.silence_days) for row, question in enumerate(questions) if isinstance(question, Look))
    views = _views(questions, looks, columns, in_force)
    return [
        Crossed(views.get(row), next_checks[row]) if row in next_checks else views[row] for row in range(len(questions))
    ]


def plan(purchases: Sequence[Purchases], bases: Sequence[Basis], in_force: InForce) -> list[int]:
    """Return the floor of each running silence: its first check."""
    if not purchases:
        return []
    columns = Columns.from_states(purchases)
    return [int(floor) for floor in _floors(range(len(purchases)), purchases, bases, columns, in_force)]


def _cross(
    questions: Sequence[Question], rows: Sequence[int], columns: Columns, in_force: InForce
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the silence of the crossing (or NEVER) and the next check, by row."""
    asked = {row: question for row in rows if isinstance(question := questions[row], Crossing)}
    unplanned = [row for row, question in asked.items() if question.first_check == UNPLANNED]
    floors = {row: question.first_check for row, question in asked.items()}
    if unplanned:
        purchases = [question.purchases for question in questions]
        bases = [question.basis for question in questions]
        floors.update(zip(unplanned, _floors(unplanned, purchases, bases, columns, in_force).tolist(), strict=True))
    groups: dict[tuple[object, ...], tuple[list[Entry], SilencePolicy, list[int]]] = {}
    for row, question in asked.items():
        last_day = int(columns.last_day[row])
        policy = in_force.policy_for_day(last_day - 1).silence(question.basis)
        key, schedule = _schedule(question, last_day, max(floors[row], question.from_u), in_force)
        groups.setdefault((*key, policy), (schedule, policy, []))[2].append(row)
    found: dict[int, int] = {}
    for schedule, policy, members in groups.values():
        crossings = first_crossing(
            columns.take(np.array(members)),
            np.array([floors[row] for row in members], dtype=np.int64),
            np.array([asked[row].from_u for row in members], dtype=np.int64),
            np.array([asked[row].until_u for row in members], dtype=np.int64),
            schedule,
            policy,
        )
        found.update(zip(members, crossings.silence_days.tolist(), strict=True))
    next_checks = {
        row: first_check_from(floors[row], max(floors[row], question.until_u)) for row, question in asked.items()
    }
    return found, next_checks


def _schedule(
    question: Crossing, last_day: int, first_u: int, in_force: InForce
) -> tuple[tuple[object, ...], list[Entry]]:
    """Return what is in force on the days of the checks asked for, and a key that is equal when that is."""
    entries: list[Entry] = []
    key: list[object] = [question.basis, question.sigma]
    horizon_days = question.purchases.horizon_days
    first_day, end_day = last_day + first_u, last_day + question.until_u - 1
    day = first_day
    while True:
        policy = in_force.policy_for_day(day)
        generation = in_force.generation_for_day(question.basis, day, horizon_days)
        threshold = policy.silence_threshold(question.tier)
        if not entries or entries[-1].generation is not generation or key[-1] != threshold:
            entries.append(Entry(day, generation, threshold_with(threshold, question.sigma)))
            key.extend((day if entries[:-1] else 0, id(generation), threshold))
        if day >= end_day:
            return tuple(key), entries
        is_same_until_end = in_force.policy_for_day(end_day) is policy and (
            in_force.generation_for_day(question.basis, end_day, horizon_days) is generation
        )
        day = end_day if is_same_until_end else day + 1


def _floors(
    rows: Sequence[int], purchases: Sequence[Purchases], bases: Sequence[Basis], columns: Columns, in_force: InForce
) -> Days:
    """Return the floors of the rows; the generation and policy are those of the day before the purchase."""
    floors = np.zeros(len(rows), dtype=np.int64)
    groups: dict[tuple[int, SilencePolicy], tuple[Generation, list[int]]] = {}
    for position, row in enumerate(rows):
        day = int(columns.last_day[row]) - 1
        policy = in_force.policy_for_day(day).silence(bases[row])
        generation = in_force.generation_for_day(bases[row], day, purchases[row].horizon_days)
        groups.setdefault((id(generation), policy), (generation, []))[1].append(position)
    for (_, policy), (generation, positions) in groups.items():
        members = np.array([rows[position] for position in positions])
        floors[np.array(positions)] = floor_days(columns.take(members), generation, policy)
    return floors


def _views(
    questions: Sequence[Question], looks: Sequence[tuple[int, int]], columns: Columns, in_force: InForce
) -> dict[int, View]:
    groups: dict[int, tuple[Generation, list[tuple[int, int]]]] = {}
    for row, u in looks:
        question = questions[row]
        day = int(columns.last_day[row]) + u
        generation = in_force.generation_for_day(question.basis, day, question.purchases.horizon_days)
        groups.setdefault(id(generation), (generation, []))[1].append((row, u))
    views: dict[int, View] = {}
    for generation, members in groups.values():
        part = columns.take(np.array([row for row, _ in members]))
        silences = np.array([u for _, u in members], dtype=np.int64)
        scores = score(part, silences, generation)
        gaps = usual_gap_days(part, generation.baseline).tolist()
        rows = zip(members, scores.p.tolist(), scores.contributions.tolist(), gaps, strict=True)
        for (row, u), p, contributions, gap in rows:
            views[row] = View(p, tuple(contributions), u, gap, generation)
    return views
