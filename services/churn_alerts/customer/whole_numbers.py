"""Whole numbers that many customers share, days or counts: a function of them is computed once for each number."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Floats

_MANY: Final = 2_048
"""For fewer customers, looking up a logarithm costs as much as computing it (2026-11-29)."""


class WholeNumbers:
    """Numbers from 0 on, one for each customer; where they are not whole, or many, it is as if none were shared.

    `least` is the number of customers from which on sharing pays.
    """

    __slots__ = ("_at", "_numbers", "_values")

    def __init__(self, values: Floats, least: int = _MANY) -> None:
        self._values = self._numbers = values
        self._at: NDArray[np.int64] | None = None
        if len(values) < least:
            return
        n_numbers = float(values.max(initial=0.0)) + 1.0
        if n_numbers >= len(values) or float(values.min()) < 0.0:
            return
        at = values.astype(np.int64)
        if (at == values).all():
            self._at, self._numbers = at, np.arange(int(n_numbers), dtype=np.float64)

    def each(self, function: Callable[[Floats], Floats]) -> Floats:
        """Return an elementwise function of every customer's number, along the last axis: the same bits either way."""
        found = function(self._numbers)
        return found if self._at is None else found.take(self._at, axis=-1)
