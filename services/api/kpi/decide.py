"""Whether acting on alerts helped: a comparison by intention to treat, and how many customers one would need. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from services.api.kpi.model import Cell, Comparison, Side, Slice, Verdict
from shared.interval import n_needed, newcombe, wilson

# A convention: with fewer on a side the interval is some 35 points wide, which people read as a figure all the same.
ENOUGH = 30

Dimension = Literal["month", "tier", "cause"]


def compare(cells: Iterable[Cell]) -> Comparison:
    """Return the comparison of all the cells together."""
    cells = list(cells)
    acted = _side(cell for cell in cells if not cell.is_held_out)
    held_out = _side(cell for cell in cells if cell.is_held_out)
    if acted.share is None or held_out.share is None:
        nobody = held_out.n + held_out.n_waiting == 0
        verdict: Verdict = "no_holdout" if nobody else "not_enough"
        return Comparison(verdict=verdict, acted=acted, held_out=held_out, difference=None)
    difference = newcombe(acted.n_bought, acted.n, held_out.n_bought, held_out.n)
    verdict = "helped" if difference.low > 0 else "harmed" if difference.high < 0 else "open"
    return Comparison(verdict=verdict, acted=acted, held_out=held_out, difference=difference)


def slices(cells: Iterable[Cell], dimension: Dimension) -> list[Slice]:
    """Return the comparison within each month, tier or cause, by name."""
    groups: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[str(getattr(cell, dimension))].append(cell)
    return [Slice(name=name, comparison=compare(groups[name])) for name in sorted(groups)]


def n_more(whole: Comparison, worth_seeing: float) -> int | None:
    """Return how many more customers show a difference of `worth_seeing` with 80 % power; None where unknown.

    The difference is asked for, not taken from the data: power at the difference that was seen only says its p-value
    again (J. M. Hoenig and D. M. Heisey, The abuse of power, The American Statistician 55 (2001) 19-24).
    """
    n = whole.acted.n + whole.held_out.n
    n_acted = whole.acted.n + whole.acted.n_waiting
    n_held_out = whole.held_out.n + whole.held_out.n_waiting
    if n < ENOUGH or not n_acted or not n_held_out:
        return None
    # Of both sides: the held-out one alone is small, and what is planned by would jump about.
    base = (whole.acted.n_bought + whole.held_out.n_bought) / n
    other = base + worth_seeing if base + worth_seeing <= 1 else base - worth_seeing
    return max(0, sum(n_needed(base, other, n_acted / n_held_out)) - n)


def _side(cells: Iterable[Cell]) -> Side:
    cells = list(cells)
    over: Sequence[Cell] = [cell for cell in cells if cell.is_over]
    n, n_bought = sum(cell.n for cell in over), sum(cell.n_bought for cell in over)
    return Side(
        n=n,
        n_bought=n_bought,
        n_worked=sum(cell.n_worked for cell in over),
        n_waiting=sum(cell.n for cell in cells if not cell.is_over),
        share=wilson(n_bought, n) if n >= ENOUGH else None,
    )
