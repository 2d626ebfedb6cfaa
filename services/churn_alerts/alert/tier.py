"""A customer's tier from recency, frequency and money (RFM), each in fifths of the company's own customers."""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil
from typing import Annotated, Final, get_args

from msgspec import Meta, Struct

from shared.contracts.alert import Tier

Cuts = Annotated[tuple[float, ...], Meta(min_length=4, max_length=4)]

TIERS: Final[tuple[Tier, ...]] = get_args(Tier)

# Sum of three scores of 1 to 5.
_PLATINUM, _GOLD, _SILVER = 13, 11, 8


class TierCuts(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the fifths end, ascending. The defaults hold until a company's own quantiles are published with its rules.

    `recency`: silence in usual gaps; `frequency`: purchases a horizon, lately; `money`: the customer's usual basket in
    the company's usual baskets. All are ratios, so that the defaults travel between companies and currencies.
    """

    recency: Cuts = (0.5, 1.0, 2.0, 4.0)
    frequency: Cuts = (0.5, 1.0, 2.0, 4.0)
    money: Cuts = (0.4, 0.75, 1.25, 2.5)


def tier_of(n_purchases: int, recency: float, frequency: float, money: float | None, cuts: TierCuts) -> Tier:
    """Return the tier; a customer with one purchase is new, one without known amounts counts as the middle fifth."""
    if n_purchases < 2:
        return "new"
    score = 6 - _fifth(recency, cuts.recency) + _fifth(frequency, cuts.frequency)
    score += 3 if money is None else _fifth(money, cuts.money)
    if score >= _PLATINUM:
        return "platinum"
    if score >= _GOLD:
        return "gold"
    return "silver" if score >= _SILVER else "bronze"


def fit_cuts(recency: Sequence[float], frequency: Sequence[float], money: Sequence[float]) -> TierCuts:
    """Return the quintile cuts of a population of repeat customers; an empty measure keeps its default."""
    default = TierCuts()
    return TierCuts(
        _quintiles(recency) or default.recency,
        _quintiles(frequency) or default.frequency,
        _quintiles(money) or default.money,
    )


def _fifth(value: float, cuts: Sequence[float]) -> int:
    return 1 + bisect_left(cuts, value)


def _quintiles(values: Sequence[float]) -> tuple[float, ...]:
    ordered = sorted(values)
    return tuple(round(ordered[ceil(len(ordered) * k / 5) - 1], 6) for k in range(1, 5)) if ordered else ()
