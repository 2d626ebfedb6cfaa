"""How customers were served: replies, tickets, surveys, complaints and who needs to make contact. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

from services.api.kpi.decide import ENOUGH
from services.api.kpi.model import (
    Counted,
    Dimension,
    FirstReply,
    PromoterScore,
    Resolution,
    Seconds,
    ServiceCell,
    ServiceFigures,
    ServicePeriod,
    ServicePeriodFigures,
    ServiceSlice,
)
from services.api.kpi.survival import Step, kaplan_meier, median
from shared.interval import Estimate, Z, wilson

_HOUR_S = 3_600
_DAY_S = 24 * _HOUR_S


def whole(cells: Iterable[ServiceCell]) -> ServiceFigures:
    """Return the figures of everything together."""
    return _figures([cell for cell in cells if cell.dimension == "whole"], has_buyers=True)


def slices(cells: Sequence[ServiceCell], dimension: Dimension) -> list[ServiceSlice]:
    """Return the figures by channel, agent or aspect, those with the most contacts first.

    Contacts have an aspect where a negative text names it, so complaints about one are told of all contacts there are.
    """
    n_judged = sum(cell.n_first for cell in cells if cell.dimension == "whole" and cell.what == "contact")
    found = []
    for name, group in _by_name(cells, dimension).items():
        of = n_judged if dimension == "aspect" else None
        found.append(ServiceSlice(name=name, figures=_figures(group, has_buyers=dimension == "channel", n_judged=of)))
    return sorted(found, key=lambda one: (-one.figures.n_contacts, one.name))


def period_figures(
    cells: Iterable[ServiceCell], by: ServicePeriod, since: datetime, until: datetime, zone: ZoneInfo
) -> list[ServicePeriodFigures]:
    """Return the figures of each period from the first to the last, those without anything included."""
    groups = _by_name(cells, "period")
    found = []
    for day in period_days(by, since, until, zone):
        begins, ends = (datetime.combine(one, time(), zone) for one in (day, _next(day, by)))
        is_complete = begins >= since and ends <= until
        figures = _figures(groups.get(day.isoformat(), []), has_buyers=True)
        found.append(ServicePeriodFigures(period=day, is_complete=is_complete, figures=figures))
    return found


def period_days(by: ServicePeriod, since: datetime, until: datetime, zone: ZoneInfo) -> list[date]:
    """Return the first local days of the periods from that of `since` to the last one that begins before `until`."""
    days = [_start(since.astimezone(zone).date(), by)]
    while datetime.combine(following := _next(days[-1], by), time(), zone) < until:
        days.append(following)
    return days


def promoter_score(n_promoters: int, n_detractors: int, n: int) -> Estimate:
    """Return promoters less detractors of `n` answers, in points.

    Both are shares of the same answers, as the changed ones of matched pairs are: the adjusted Wald interval of A.
    Agresti and Y. Min, Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine
    24 (2005) 729-740, with half an answer added to each cell.
    """
    more, fewer, of = n_promoters + 0.5, n_detractors + 0.5, n + 2
    middle = (more - fewer) / of
    half = Z * sqrt((more + fewer) - (more - fewer) ** 2 / of) / of
    value = (n_promoters - n_detractors) / n
    return Estimate(100 * value, 100 * max(-1.0, middle - half), 100 * min(1.0, middle + half))


def _by_name(cells: Iterable[ServiceCell], dimension: Dimension) -> dict[str, list[ServiceCell]]:
    groups: defaultdict[str, list[ServiceCell]] = defaultdict(list)
    for cell in cells:
        if cell.dimension == dimension:
            groups[cell.name].append(cell)
    return groups


def _figures(cells: Sequence[ServiceCell], *, has_buyers: bool, n_judged: int | None = None) -> ServiceFigures:
    contacts = [cell for cell in cells if cell.what == "contact"]
    tickets = [cell for cell in cells if cell.what == "ticket"]
    csat = [cell for cell in cells if cell.what == "csat"]
    nps = [cell for cell in cells if cell.what == "nps"]
    buyers = [cell for cell in cells if cell.what == "buyers"]
    n_nps, n_promoters, n_detractors = _sums(nps)
    return ServiceFigures(
        n_contacts=sum(cell.n for cell in contacts),
        first_reply=_first_reply([cell for cell in contacts if cell.seconds is not None]),
        resolution=Resolution(
            n=sum(cell.n for cell in tickets),
            n_resolved=sum(cell.n for cell in tickets if cell.has_ended),
            median=_median(_steps(tickets)),
        ),
        reopened=_counted(_sums(tickets)[2], _sums(tickets)[1]),
        complaints=_counted(_sums(contacts)[2], _sums(contacts)[1] if n_judged is None else n_judged),
        csat=_counted(_sums(csat)[1], _sums(csat)[0]),
        nps=PromoterScore(
            n=n_nps,
            n_promoters=n_promoters,
            n_detractors=n_detractors,
            score=promoter_score(n_promoters, n_detractors, n_nps) if n_nps >= ENOUGH else None,
        ),
        contacting=_counted(_sums(buyers)[1], _sums(buyers)[0]) if has_buyers else None,
    )


def _first_reply(cells: Sequence[ServiceCell]) -> FirstReply:
    steps = _steps(cells)
    return FirstReply(
        n=sum(cell.n for cell in cells),
        n_answered=sum(cell.n for cell in cells if cell.has_ended),
        median=_median(steps),
        within_hour=_within(cells, steps, _HOUR_S),
        within_day=_within(cells, steps, _DAY_S),
    )


def _steps(cells: Sequence[ServiceCell]) -> list[Step]:
    """Return how many have not ended by when, as far as enough of them could be seen for so long or ended before."""
    steps = kaplan_meier((cell.seconds or 0, cell.has_ended, cell.n) for cell in cells)
    first, last = 0, len(steps)
    while first < last:
        middle = (first + last) // 2
        if _n_known(cells, steps[middle].time) >= ENOUGH:
            first = middle + 1
        else:
            last = middle
    return steps[:first]


def _n_known(cells: Iterable[ServiceCell], seconds: int) -> int:
    """Return of how many it is known whether they had ended by then; the later, the fewer."""
    return sum(cell.n for cell in cells if cell.has_ended or (cell.seconds or 0) >= seconds)


def _median(steps: Sequence[Step]) -> Seconds | None:
    half, low, high = median(steps)
    return None if half is None else Seconds(seconds=half, low=low, high=high)


def _within(cells: Sequence[ServiceCell], steps: Iterable[Step], seconds: int) -> Estimate | None:
    if _n_known(cells, seconds) < ENOUGH:
        return None
    passed = [step for step in steps if step.time <= seconds]
    if not passed:
        return wilson(0, _n_known(cells, seconds))
    left = passed[-1].left
    return Estimate(1 - left.value, 1 - left.high, 1 - left.low)


def _counted(n_hits: int, n: int) -> Counted:
    return Counted(n=n, n_hits=n_hits, share=wilson(n_hits, n) if n >= ENOUGH else None)


def _sums(cells: Sequence[ServiceCell]) -> tuple[int, int, int]:
    return sum(cell.n for cell in cells), sum(cell.n_first for cell in cells), sum(cell.n_second for cell in cells)


def _start(day: date, by: ServicePeriod) -> date:
    """Return the first day of the period; weeks begin on Monday."""
    return day.replace(day=1) if by == "month" else day - timedelta(days=day.weekday()) if by == "week" else day


def _next(day: date, by: ServicePeriod) -> date:
    return _start(day + timedelta(days={"day": 1, "week": 7, "month": 31}[by]), by)
