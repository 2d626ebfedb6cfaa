"""The next generation from the processor's states: what a refit publishes, and when. The same states, the same bytes.

Who reads the states and publishes is `send.py`; the fit itself and its guard are `fit.py`, as in a backtest.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

from msgspec.structs import replace

from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.fit import MIXTURE_CUSTOMERS, REFIT_EVERY_DAYS, fit, is_publishable
from services.churn_alerts.customer.generation import Generation
from services.churn_alerts.customer.history import History, history_of_states
from services.churn_alerts.customer.in_force import Basis, Policy
from services.churn_alerts.customer.level import kept, with_level
from services.churn_alerts.customer.load import thresholds_for, tier_cuts_for
from services.churn_alerts.customer.model import DAY_MS, Purchases, end_of_day_ms
from services.churn_alerts.customer.schedule import SETTLE_MS
from services.churn_alerts.customer.state import decode_state

NOTICE_DAYS: Final = 2
"""A generation holds from the end of the second day after the last one it looked at: every partition has it by then."""

MAX_CUSTOMERS: Final = 50_000
"""A refit reads at most so many customers, chosen by a hash of their ids; the fit's own samples are smaller still."""


class Sample:
    """Encoded states of as many customers as a refit reads: all, or those whose hash falls into the share that fits."""

    def __init__(self, limit: int = MAX_CUSTOMERS) -> None:
        self.share = 1.0
        self._limit = limit
        self._states: dict[str, bytes] = {}

    def add(self, states: Iterable[tuple[str, bytes]]) -> None:
        for key, state in states:
            if _place(key) < self.share:
                self._states[key] = state
        while len(self._states) > self._limit:
            self.share /= 2
            self._states = {key: state for key, state in self._states.items() if _place(key) < self.share}

    def history_came_ms(self) -> int:
        """Return when the newest history was received that has not been judged yet, 0 of none."""
        settle_ms = max((decode_state(state).settle_ms for state in self._states.values()), default=0)
        return max(settle_ms - SETTLE_MS, 0)

    def history(self, basis: Basis, horizon_days: float, until_day: int) -> History:
        """Return the history of the sampled customers who are judged on `basis`, as of the end of `until_day`."""
        found: list[tuple[str, Purchases]] = []
        for key in sorted(self._states):
            state = decode_state(self._states[key])
            silence = state.purchases if basis == "orders" else state.contacts
            if silence is None or not silence.recent or state.merged_into:
                continue
            if silence.horizon_days == horizon_days:
                found.append((key, silence))
        return history_of_states(found, horizon_days, until_day)


def until_day_of(watermarks_ms: Sequence[int | None], delay_ms: int) -> int | None:
    """Return the last day that ended in every partition at least `delay_ms` ago; None unless all have a watermark."""
    known = [at_ms for at_ms in watermarks_ms if at_ms is not None]
    if not known or len(known) < len(watermarks_ms):
        return None
    return (min(known) - delay_ms) // DAY_MS - 1


def is_due(newest: Generation | None, until_day: int) -> bool:
    """Return whether, by the end of `until_day`, the generation after `newest` is to be published."""
    if newest is None or newest.decided_until_day is None:
        return True
    return until_day >= newest.decided_until_day + REFIT_EVERY_DAYS


def next_generation(
    history: History, until_day: int, policy: Policy, basis: Basis, running: Generation | None, share: float
) -> Generation | None:
    """Return the generation to publish, or None while too few customers have come back for a first one.

    `running` is the generation published before. Where the guard holds the candidate back, its numbers stay, under a
    new version with the new level and new thresholds. `share` is the sample's, of all customers.
    """
    silence = policy.silence(basis)
    version = 1 if running is None else running.version + 1
    candidate = with_level(fit(history, until_day, until_day, silence, version), running)
    if running is None:
        if candidate.n_repeat_customers < MIXTURE_CUSTOMERS:
            return None
    elif not _passes(candidate, running, history, until_day, silence):
        candidate = kept(running, candidate)
    rules = policy.in_force.rules
    cuts = tier_cuts_for(history, until_day, candidate, silence)
    thresholds = None
    if rules.adapts_thresholds:
        capacity = None if rules.capacity_per_day is None else rules.capacity_per_day * share
        thresholds = thresholds_for(history, until_day, candidate, silence, capacity, rules.silence_thresholds, cuts)
    return replace(candidate, decided_until_day=until_day, thresholds=thresholds, tier_cuts=cuts)


def in_force_at_ms(until_day: int) -> int:
    """Return the event time from which a generation decided on the end of `until_day` holds."""
    return end_of_day_ms(until_day + NOTICE_DAYS)


def holds_from_ms(until_day: int, running: Generation | None) -> int:
    """Return the event time from which the generation after `running` is published to hold.

    The first one holds for all the past: imported history, which waits to be judged, is judged by a model of the
    company and not by the prior. What was decided before it came stays.
    """
    return 0 if running is None else in_force_at_ms(until_day)


def _passes(
    candidate: Generation, running: Generation, history: History, until_day: int, policy: SilencePolicy
) -> bool:
    if running.horizon_days != candidate.horizon_days:
        return True
    return is_publishable(candidate, running, history, until_day, until_day, policy)


def _place(key: str) -> float:
    return crc32(key.encode("utf-8", "surrogatepass")) / 2**32
