"""Silence checks asked for by many customers at once and answered together: which raises, and what the score says.

A customer's answer does not depend on who else asks: every computation is elementwise over the rows.
"""

from collections.abc import Sequence
from math import exp, log

import numpy as np
from msgspec import Struct

from services.churn_alerts.alert.tier import TierCuts, tier_of
from services.churn_alerts.customer.columns import Columns, Days
from services.churn_alerts.customer.due import NEVER, SilencePolicy, first_check_from, first_crossing, floor_days
from services.churn_alerts.customer.due import InForce as Entry
from services.churn_alerts.customer.features import usual_gap_days
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.in_force import Basis, InForce
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.score import score
from services.churn_alerts.customer.state import UNPLANNED
from services.churn_alerts.customer.value import expected_purchases, residual_value
from shared.contracts.alert import Tier


class View(Struct, frozen=True, gc=False):
    """What the score says of a customer after `silence_days` of silence, and what it knows of him.

    `residual_value` is what he would spend in a year if he stayed, where it was asked for and amounts are known.
    `contributions` are by reason group. `frequency` is the decayed number of purchases a horizon, `money` his usual
    basket in the company's usual baskets (None where either is unknown).
    """

    p: float
    contributions: list[float]
    silence_days: int
    usual_gap_days: float
    n_purchases: int
    frequency: float
    money: float | None
    generation: Generation
    residual_value: float | None = None

    def tier(self, cuts: TierCuts) -> Tier:
        """Return his tier as of this silence."""
        return tier_of(self.n_purchases, self.silence_days / self.usual_gap_days, self.frequency, self.money, cuts)


class Crossing(Struct, frozen=True, gc=False):
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


class Crossed(Struct, frozen=True, gc=False):
    """The check that raises with what the score says there (`view` None: no check raises), and the first one after."""

    view: View | None
    next_check: int


class Look(Struct, frozen=True, gc=False):
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


class Closing(Struct, frozen=True, gc=False):
    """What is asked of a customer at the end of a run: a look after `silence_days` (None: no look), and his floor.

    `needs_value`: with his residual value, which costs as much as all the rest.
    """

    purchases: Purchases
    basis: Basis
    silence_days: int | None
    needs_floor: bool
    needs_value: bool


def close(closings: Sequence[Closing], in_force: InForce) -> tuple[list[View | None], list[int | None]]:
    """Return the view and the floor (the first check of the running silence) of each, None where not asked for."""
    if not closings:
        return [], []
    columns = Columns.from_states([closing.purchases for closing in closings])
    asking = [row for row, closing in enumerate(closings) if closing.needs_floor]
    floors: list[int | None] = [None] * len(closings)
    for row, floor in zip(asking, _floors(asking, closings, columns, in_force).tolist(), strict=True):
        floors[row] = floor
    looks = [(row, closing.silence_days) for row, closing in enumerate(closings) if closing.silence_days is not None]
    views = _views(closings, looks, columns, in_force)
    return [views.get(row) for row in range(len(closings))], floors


def _cross(
    questions: Sequence[Question], rows: Sequence[int], columns: Columns, in_force: InForce
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the silence of the crossing (or NEVER) and the next check, by row."""
    asked = {row: question for row in rows if isinstance(question := questions[row], Crossing)}
    unplanned = [row for row, question in asked.items() if question.first_check == UNPLANNED]
    floors = {row: question.first_check for row, question in asked.items()}
    if unplanned:
        floors.update(zip(unplanned, _floors(unplanned, questions, columns, in_force).tolist(), strict=True))
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
        threshold = policy.silence_threshold(question.tier, question.basis)
        if not entries or entries[-1].generation is not generation or key[-1] != threshold:
            entries.append(Entry(day, generation, threshold_with(threshold, question.sigma)))
            key.extend((day if entries[:-1] else 0, id(generation), threshold))
        if day >= end_day:
            return tuple(key), entries
        is_same_until_end = in_force.policy_for_day(end_day) is policy and (
            in_force.generation_for_day(question.basis, end_day, horizon_days) is generation
        )
        day = end_day if is_same_until_end else day + 1


def _floors(rows: Sequence[int], asking: Sequence[Question | Closing], columns: Columns, in_force: InForce) -> Days:
    """Return the floors of the rows; the generation and policy are those of the day before the purchase."""
    floors = np.zeros(len(rows), dtype=np.int64)
    groups: dict[tuple[int, SilencePolicy], tuple[Generation, list[int]]] = {}
    last_days = columns.last_day.tolist()
    for position, row in enumerate(rows):
        day = last_days[row] - 1
        basis = asking[row].basis
        policy = in_force.policy_for_day(day).silence(basis)
        generation = in_force.generation_for_day(basis, day, asking[row].purchases.horizon_days)
        groups.setdefault((id(generation), policy), (generation, []))[1].append(position)
    for (_, policy), (generation, positions) in groups.items():
        members = np.array([rows[position] for position in positions])
        floors[np.array(positions)] = floor_days(columns.take(members), generation, policy)
    return floors


def _views(
    asking: Sequence[Question | Closing], looks: Sequence[tuple[int, int]], columns: Columns, in_force: InForce
) -> dict[int, View]:
    groups: dict[int, tuple[Generation, list[int], list[int]]] = {}
    last_days = columns.last_day.tolist()
    for row, u in looks:
        question = asking[row]
        generation = in_force.generation_for_day(question.basis, last_days[row] + u, question.purchases.horizon_days)
        _, rows, silences = groups.setdefault(id(generation), (generation, [], []))
        rows.append(row)
        silences.append(u)
    views: dict[int, View] = {}
    for generation, rows, silences in groups.values():
        part = columns if rows == list(range(len(columns))) else columns.take(np.array(rows))
        scores = score(part, np.array(silences, dtype=np.int64), generation)
        usual = generation.baseline.log_amount
        money: list[float | None] = [None] * len(rows)
        if usual is not None:
            ratios = np.exp(part.recent_log_amount - usual).tolist()
            money = [ratio if n else None for ratio, n in zip(ratios, part.n_amounts.tolist(), strict=True)]
        p, contributions = scores.p.tolist(), scores.contributions.tolist()
        gaps = usual_gap_days(part, generation.baseline).tolist()
        values = _values(part, [asking[row] for row in rows], generation)
        n_gaps, frequencies = part.n_gaps.tolist(), part.decayed_middle.tolist()
        for at, row in enumerate(rows):
            views[row] = View(
                p[at],
                contributions[at],
                silences[at],
                gaps[at],
                int(n_gaps[at]) + 1,
                frequencies[at],
                money[at],
                generation,
                values[at],
            )
    return views


def _values(columns: Columns, asking: Sequence[Question | Closing], generation: Generation) -> list[float | None]:
    """Return the residual values asked for, as of the last purchase: what is lost if the silence is for good.

    (Valued as of the silence, a customer who has surely left is worth nothing, and his risk would count twice.)
    Before the company's baskets are fitted, the customer's own mean basket counts.
    """
    values: list[float | None] = [None] * len(asking)
    wanted = [
        row
        for row, one in enumerate(asking)
        if one.basis == "orders" and not (isinstance(one, Closing) and not one.needs_value)
    ]
    if not wanted:
        return values
    part = columns.take(np.array(wanted))
    silence_days = np.zeros(len(wanted), dtype=np.int64)
    found = residual_value(part, silence_days, generation)
    if found is None:
        found = np.round(expected_purchases(part, silence_days, generation.mixture) * part.mean_amount, 2)
    for row, value, n_amounts in zip(wanted, found.tolist(), part.n_amounts.tolist(), strict=True):
        values[row] = value if n_amounts else None
    return values
