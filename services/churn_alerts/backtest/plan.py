"""Which horizon and start fit a log: long enough for its rhythm, and early enough that outcomes are left to judge."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp
from typing import Literal

import numpy as np
from msgspec.structs import replace as with_fields

from services.churn_alerts.customer.fit import fit_baseline
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.history import CustomerDays

LEARNING_DAYS = (182, 365, 730)
"""Options are chosen from, and scoring starts after, half a year: it shows the usual gap and whole horizons. Where
customers come back more slowly, a year or two, if the log is twice as long."""

GAPS_LEARNT = 4.0
"""So many usual gaps must fit into what they are learnt from: in less, the long ones are not seen."""

FEWEST_GAPS = 50

HORIZONS = (14, 28, 60, 90)
"""Days a company plans in; the horizon is the first that is `GAPS_PER_HORIZON` usual gaps long."""

GAPS_PER_HORIZON = 3.4
"""Both public logs the prior was fitted on have horizons of 3.4 usual gaps (e^1.22, docs/churn.md)."""

LONG_HORIZONS = (90, 180, 365)
LEAST_GAPS_PER_HORIZON = 1.5
HORIZONS_LEARNT = 3
"""A quarter of a year is taken as long as it can be told from one missed purchase; a longer one where it cannot, if
three of it fit before the latest start, which is the middle of the log."""

SLACK_DAYS = 7
"""A log of six years ends some days before its first order's anniversary, and must not be taken for a shorter one."""

LADDER = (365, 180, 90, 60, 28, 14, 7)
"""Where a log ends too soon to judge the horizon that its gaps ask for: the longest of these that it can judge, and
that one usual gap fits into, for in less nearly everybody seems to leave."""

LEAST_HORIZONS_LEARNT = 2
"""Before the start, where the log leaves no three: one of snapshots, and one until the last of them has its outcome."""

JUDGED_DAYS = 28
"""So many days of checkpoints, and of silences that begin, have their outcome in the log."""

Judged = Literal["alerts", "risks", "nothing"]
"""What a log leaves to judge: silences until their alerts have come true or not; only the risks of some checkpoints."""

UsualGap = Callable[[int], tuple[int, float]]
"""How many gaps ended by a day, and the usual one, in days."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`asked_days` is the horizon that the gaps ask for, `learnt_day` the start that the log has no room for."""

    start_day: int
    learnt_day: int
    horizon_days: int
    asked_days: int
    n_gaps: int
    usual_gap_days: float
    judged: Judged


@dataclass(frozen=True, slots=True)
class Span:
    """The log to plan for, and the options that are fixed. Days; `usual_gap` looks at nothing after its day."""

    first_day: int
    last_day: int
    usual_gap: UsualGap
    horizon_days: int | None
    lost_after: Callable[[int], int]

    @property
    def halfway(self) -> int:
        return self.first_day + max((self.last_day - self.first_day) // 2, 1)

    def from_start(self, start_day: int) -> Plan:
        """Return the plan for a given start: nothing after it changes the options, the length of the log included."""
        _, n_gaps, gap = self._learnt(start_day)
        asked = self.horizon_days or _horizon_for(gap, start_day - self.first_day)
        return Plan(start_day, start_day, asked, asked, n_gaps, gap, self._judged(start_day, asked))

    def chosen(self) -> Plan:
        """Return the plan with the longest fitting horizon under which alerts can be judged, or at least risks.

        What is chosen looks at nothing after the start but at the day the log ends.
        """
        wanted: tuple[Judged, Judged] = ("alerts", "risks")
        for judged in wanted:
            for horizon in [self.horizon_days] if self.horizon_days else LADDER:
                plan = self._with(horizon, judged)
                if plan is not None:
                    return plan
        plan = self.from_start(self.halfway)
        if self.horizon_days is not None:
            return plan
        least = min(days for days in LADDER if days >= min(plan.usual_gap_days, plan.asked_days))
        return replace(plan, horizon_days=least, judged=self._judged(self.halfway, least))

    def days_needed(self, horizon_days: int) -> int:
        """Return how long a log must be for the alerts of a horizon to be judged."""
        outcomes = self.last_day - self._latest_start(horizon_days, "alerts")
        return self._least_learnt(horizon_days) + outcomes

    def _with(self, horizon: int, judged: Judged) -> Plan | None:
        latest = self._latest_start(horizon, judged)
        learnt_by, _, _ = self._learnt(self.halfway)
        learnt = max(learnt_by, self.first_day + max(LEARNING_DAYS[0], HORIZONS_LEARNT * horizon))
        start = min(learnt, latest)
        if start < min(learnt, self.first_day + self._least_learnt(horizon)):
            return None
        _, n_gaps, gap = self._learnt(min(start, self.halfway))
        asked = self.horizon_days or _horizon_for(gap, self.halfway - self.first_day)
        if horizon > asked or (horizon < asked and horizon < gap):
            return None
        return Plan(start, learnt, horizon, asked, n_gaps, gap, judged)

    def _judged(self, start_day: int, horizon: int) -> Judged:
        kinds: tuple[Judged, Judged] = ("alerts", "risks")
        return next((kind for kind in kinds if start_day <= self._latest_start(horizon, kind)), "nothing")

    def _latest_start(self, horizon: int, judged: Judged) -> int:
        outcome = horizon + (self.lost_after(horizon) if judged == "alerts" else 0)
        return self.last_day - outcome - JUDGED_DAYS

    def _least_learnt(self, horizon: int) -> int:
        least = LEAST_HORIZONS_LEARNT * horizon
        # Who asks for a horizon gets it as long as some weeks of snapshots have their outcome before the start.
        return least if self.horizon_days is None else min(least, horizon + JUDGED_DAYS)

    def _learnt(self, latest: int) -> tuple[int, int, float]:
        """Return the day the usual gap was learnt by, from how many gaps, and the gap; from half a year or more."""
        learnt_by, n_gaps, gap = latest, 0, 0.0
        for days in LEARNING_DAYS:
            learnt_by = min(self.first_day + days, latest)
            n_gaps, gap = self.usual_gap(learnt_by)
            if learnt_by == latest or (n_gaps >= FEWEST_GAPS and learnt_by - self.first_day >= GAPS_LEARNT * gap):
                break
        return learnt_by, n_gaps, gap


def _horizon_for(usual_gap_days: float, learning_days: int) -> int:
    for days in HORIZONS:
        if days >= GAPS_PER_HORIZON * usual_gap_days:
            return days
    fitting = (learning_days + SLACK_DAYS) // HORIZONS_LEARNT
    possible = [days for days in LONG_HORIZONS if days == LONG_HORIZONS[0] or days <= fitting]
    return next((days for days in possible if days >= LEAST_GAPS_PER_HORIZON * usual_gap_days), possible[-1])


def usual_gap_of(customers: list[CustomerDays]) -> UsualGap:
    """Return the function that tells the usual gap by a day; the horizon's share of a quarter where there is none."""
    owners = np.repeat(np.arange(len(customers)), [len(purchases) for _, purchases, _ in customers])
    days = np.array([entry.day for _, purchases, _ in customers for entry in purchases], dtype=np.int64)
    is_gap = owners[1:] == owners[:-1]
    ends, of = days[1:][is_gap], owners[1:][is_gap]
    all_log_gaps = np.log(ends - days[:-1][is_gap])
    whole = prior_for(30.0).baseline

    def by(day: int) -> tuple[int, float]:
        known = ends <= day
        log_gaps = all_log_gaps[known]
        if not len(log_gaps):
            return 0, HORIZONS[-1] / GAPS_PER_HORIZON
        mean = float(log_gaps.mean())
        if len(log_gaps) < FEWEST_GAPS:
            return len(log_gaps), exp(mean)
        counts = np.bincount(of[known]).astype(np.float64)
        sums, squares = (np.bincount(of[known], weights).astype(np.float64) for weights in (log_gaps, log_gaps**2))
        return len(log_gaps), exp(fit_baseline(counts, sums, squares, with_fields(whole, mu=mean)).mu)

    return by
