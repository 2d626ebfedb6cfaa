"""Replays a company's past through the functions that decide live; nothing after a decision's day is read."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from services.churn_alerts.backtest.options import Options
from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.due import NEVER, InForce, SilencePolicy, first_crossing, floor_days
from services.churn_alerts.customer.fit import REFIT_EVERY_DAYS, fit, is_publishable
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.level import kept, with_level
from services.churn_alerts.customer.load import threshold_for
from services.churn_alerts.customer.score import risk_of_rows

_MOST_FITS_AT_ONCE: Final = 4
"""Each holds some fifty megabytes."""

LARGE_ROWS: Final = 30_000
"""Below so many rows of history the fits are over before workers would have begun."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One row per scored customer and checkpoint, in order of time and customer id; `row` is into the history."""

    row: Days
    day: Days
    p: Floats
    is_eligible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Alerts:
    """One row per alert, in order of time and customer id; `row` is the state that was judged."""

    row: Days
    day: Days
    silence_days: Days
    p: Floats


@dataclass(frozen=True, slots=True)
class Replay:
    options: Options
    first_day: int
    last_day: int
    schedule: list[InForce]
    scored: Scored
    alerts: Alerts


def replay(history: History, options: Options, last_day: int, on_day: Callable[[int], None] | None = None) -> Replay:
    """Return what the company would have seen from `options.start_day` to `last_day`; `on_day` hears days passed."""
    schedule = published(history, options, last_day, on_day)
    return Replay(
        options=options,
        first_day=int(history.day.min()),
        last_day=last_day,
        schedule=schedule,
        scored=score_checkpoints(history, options, schedule, last_day),
        alerts=raise_alerts(history, options, schedule, last_day),
    )


def published(
    history: History,
    options: Options,
    last_day: int,
    on_day: Callable[[int], None] | None = None,
    *,
    large_rows: int = LARGE_ROWS,
) -> list[InForce]:
    """Return the generations and thresholds in the order they came into force, refitted every 28 days.

    From `large_rows` rows of history on the fits run side by side, with the same results.
    """
    schedule: list[InForce] = []
    start, policy = options.start_day, options.policy
    running: Generation | None = None
    days = range(start, last_day + 1, REFIT_EVERY_DAYS)
    n_workers = min(os.cpu_count() or 1, _MOST_FITS_AT_ONCE) if len(history.day) >= large_rows else 1
    with _fits(history, start, policy, days, n_workers) as fits:
        for day, fitted in zip(days, fits, strict=True):
            candidate = with_level(replace(fitted, version=len(schedule) + 1), running)
            if running is None or is_publishable(candidate, running, history, day, start, policy):
                running = candidate
            else:
                running = kept(running, candidate)
            threshold = threshold_for(history, day, running, policy, options.alerts_per_day)
            schedule.append(InForce(day, running, threshold))
            if on_day is not None:
                on_day(min(REFIT_EVERY_DAYS, last_day - day))
    return schedule


@contextmanager
def _fits(
    history: History, start: int, policy: SilencePolicy, days: Sequence[int], n_workers: int
) -> Iterator[Iterator[Generation]]:
    """Give the fits of the days, in their order. What a fit finds depends on the past alone, not on those before it.

    Side by side they run in processes: threads would spend on taking turns what they gain.
    """
    if n_workers < 2 or len(days) < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield (fit(history, day, start, policy, 1) for day in days)
        return
    # Forked, a worker has the past without a copy of it.
    pool = ProcessPoolExecutor(n_workers, multiprocessing.get_context("fork"), _begin_worker, (history, start, policy))
    try:
        yield pool.map(_fit_of_day, days)
    finally:
        pool.shutdown(cancel_futures=True)


_given: tuple[History, int, SilencePolicy] | None = None
"""In a worker, what all its fits are made of."""


def _begin_worker(history: History, start: int, policy: SilencePolicy) -> None:
    global _given
    _given = history, start, policy
    # The parent answers Ctrl-C. Its progress bar may have been writing when it was forked: a worker writes nothing, and
    # must not wait at its end for a stream that nobody will release.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout = sys.stderr = None


def _fit_of_day(day: int) -> Generation:
    if _given is None:
        raise LookupError("a worker begins with the past it fits")
    history, start, policy = _given
    return fit(history, day, start, policy, 1)


def score_checkpoints(history: History, options: Options, schedule: list[InForce], last_day: int) -> Scored:
    """Return the ungated risk of every scored customer at each checkpoint, and whether the floor was passed."""
    floors = _floors(history, options, schedule)
    days = range(options.start_day, last_day + 1, options.every_days)
    parts = [history.scored(day, options.policy.min_purchases, options.policy.lost_after_days) for day in days]
    row = _joined(parts)
    day_of = np.repeat(np.array(days, dtype=np.int64), [len(part) for part in parts])
    silence_days = day_of - history.columns.last_day[row]
    p = np.zeros(len(row))
    entry_of = _entry_of(schedule, day_of)
    for index, entry in enumerate(schedule):
        asked = np.flatnonzero(entry_of == index)
        p[asked] = risk_of_rows(history.columns, row[asked], silence_days[asked], entry.generation)
    return Scored(row, day_of, p, silence_days >= floors[row])


def raise_alerts(history: History, options: Options, schedule: list[InForce], last_day: int) -> Alerts:
    """Return the alerts of every silence from the start on: at most one each, at the first check over the threshold.

    Silences that began before the start are judged from their floor on, by what was in force at the start; those that
    crossed before it have their alert already.
    """
    policy = options.policy
    alive = (history.columns.n_gaps + 1 >= policy.min_purchases) & (
        history.columns.last_day > options.start_day - policy.lost_after_days
    )
    pieces = np.flatnonzero(alive & (history.columns.last_day <= last_day))
    columns = history.columns.take(pieces)
    from_u = history.day[pieces] - columns.last_day
    until_u = np.minimum(history.next_day[pieces], last_day + 1) - columns.last_day
    floors = _floors(history, options, schedule)[pieces]
    crossings = first_crossing(columns, floors, from_u, until_u, schedule, policy)
    hits = np.flatnonzero(crossings.silence_days != NEVER)
    # A return cuts a silence into pieces; its first piece to cross is its alert.
    silence_of = history.customer[pieces[hits]] * (last_day + 2) + columns.last_day[hits]
    hits = hits[np.unique(silence_of, return_index=True)[1]]
    day = columns.last_day[hits] + crossings.silence_days[hits]
    hits, day = hits[day >= options.start_day], day[day >= options.start_day]
    order = np.lexsort((history.customer[pieces[hits]], day))
    hits = hits[order]
    return Alerts(pieces[hits], day[order], crossings.silence_days[hits], crossings.p[hits])


def _floors(history: History, options: Options, schedule: list[InForce]) -> Days:
    columns: Columns = history.columns
    floors = np.zeros(len(columns), dtype=np.int64)
    # A floor is set with the purchase, by what was in force at the end of the day before.
    entry_of = _entry_of(schedule, columns.last_day - 1)
    for index, entry in enumerate(schedule):
        rows = np.flatnonzero(entry_of == index)
        floors[rows] = floor_days(columns.take(rows), entry.generation, options.policy)
    return floors


def _entry_of(schedule: list[InForce], days: Days) -> Days:
    """Return the place in the schedule of what is in force at the end of each day, as `in_force_at`."""
    starts = np.array([entry.from_day for entry in schedule], dtype=np.int64)
    return np.maximum(np.searchsorted(starts, days, side="right") - 1, 0)


def _joined(parts: list[Days]) -> Days:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
