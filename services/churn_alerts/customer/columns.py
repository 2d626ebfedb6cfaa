"""Customers side by side: the states' statistics as numpy columns, the form in which batches are scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.model import Purchases, Statistics
from services.churn_alerts.customer.purchases import (
    append,
    mean_log_gap,
    mean_recent_log_amount,
    returns_at_purchase,
)

Floats = NDArray[np.float64]
Days = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """One row per customer, as of the last purchase. `returns` is the decayed count of returns as of that day."""

    n_gaps: Floats
    first_day: Days
    last_day: Days
    sum_log_gap: Floats
    sum_log_gap_squared: Floats
    recent_log_gap: Floats
    decayed_short: Floats
    decayed_middle: Floats
    decayed_long: Floats
    n_amounts: Floats
    recent_log_amount: Floats
    mean_log_amount: Floats
    mean_amount: Floats
    returns: Floats

    def __len__(self) -> int:
        return len(self.n_gaps)

    def take(self, rows: NDArray[Any] | slice) -> "Columns":
        """Return the given rows (indices, mask or slice), in that order."""
        return Columns(*[column[rows] for column in _all(self)])

    @classmethod
    def from_states(cls, states: Sequence[Purchases]) -> "Columns":
        """Return one row per state; every state has at least one purchase.

        Raises `ValueError` for a state without purchases, which nothing can be said about.
        """
        rows = []
        for state in states:
            if not state.recent:
                raise ValueError("a customer without a purchase has no silence to score")
            run = append(state.before, state.recent[-1], state.horizon_days)
            has_returns = state.recent_returns or state.folded_returns
            rows.append(row_of(run, returns_at_purchase(state, run.last_day) if has_returns else 0.0))
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[float, ...]]) -> "Columns":
        """Return the columns of rows made by `row_of`."""
        table = np.array(rows, dtype=np.float64).reshape(len(rows), len(_NAMES))
        columns = [np.ascontiguousarray(table[:, index]) for index in range(table.shape[1])]
        return cls(columns[0], columns[1].astype(np.int64), columns[2].astype(np.int64), *columns[3:])


_NAMES: Final = tuple(field.name for field in fields(Columns))
_all: Final[Callable[[Columns], tuple[NDArray[Any], ...]]] = attrgetter(*_NAMES)


def row_of(run: Statistics, returns: float = 0.0) -> tuple[float, ...]:
    """Return one customer's row in the order of `Columns`."""
    return (
        run.n_days - 1,
        run.first_day,
        run.last_day,
        run.sum_log_gap,
        run.sum_log_gap_squared,
        mean_log_gap(run),
        run.decayed_short,
        run.decayed_middle,
        run.decayed_long,
        run.n_amounts,
        mean_recent_log_amount(run),
        run.sum_log_amount / run.n_amounts if run.n_amounts else 0.0,
        run.sum_cents / (100 * run.n_amounts) if run.n_amounts else 0.0,
        returns,
    )
