"""What acting on alerts is worth: the counts it is judged by, and the judgement."""

from datetime import date
from typing import Literal, NamedTuple

from msgspec import Struct

from shared.interval import Estimate

Verdict = Literal["no_holdout", "not_enough", "helped", "harmed", "open"]


class Cell(NamedTuple):
    """Customers alike in month, tier and cause of their first alert, on one side, whose horizon is over or not."""

    month: date
    tier: str
    cause: str
    is_held_out: bool
    is_over: bool
    n: int
    n_bought: int
    n_worked: int


class Side(Struct, frozen=True, kw_only=True):
    """One side of the comparison, of the customers whose horizon is over.

    `n_worked`: whose alert somebody acknowledged, contacted the customer for or resolved. `share` who bought is left
    null while there are too few customers. `n_waiting`: customers whose horizon is not over; they are in no share.
    """

    n: int
    n_bought: int
    n_worked: int
    n_waiting: int
    share: Estimate | None


class Comparison(Struct, frozen=True, kw_only=True):
    """The customers meant to be acted on against those held out, whatever was then done: by intention to treat.

    `difference` is the first share less the other; null while either side is too small.
    """

    verdict: Verdict
    acted: Side
    held_out: Side
    difference: Estimate | None


class Slice(Struct, frozen=True, kw_only=True):
    """The comparison of one month (its first day), tier or cause alone."""

    name: str
    comparison: Comparison
