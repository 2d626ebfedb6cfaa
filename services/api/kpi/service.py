"""How customers were served: replies, tickets, surveys, complaints and who needs to make contact. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

import numpy as np

from services.api.kpi.decide import ENOUGH
from services.api.kpi.model import (
    Array,
    Counted,
    Dimension,
    EffortScore,
    FirstReply,
    PromoterScore,
    Resolution,
    Seconds,
    ServiceCell,
    ServiceFigures,
    ServicePeriod,
    ServicePeriodFigures,
    ServiceSlice,
    Times,
)
from services.api.kpi.survival import Curve, kaplan_meier, median
from shared.interval import Estimate, Z, mean, wilson

# The scale of customer effort as it is asked most (M. Dixon, N. Toman and R. DeLisi, The Effortless Experience, 2013):
# "made it easy for me to handle my issue", from 1, strongly disagree, to 7, strongly agree.
HARDEST, EASIEST = 1, 7
_MILLION = 1_000_000
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
    settled = _sums([cell for cell in cells if cell.what == "settled"])
    tickets = [cell for cell in cells if cell.what == "ticket"]
    csat = [cell for cell in cells if cell.what == "csat"]
    nps = [cell for cell in cells if cell.what == "nps"]
    consultations = _sums([cell for cell in cells if cell.what == "consultation"])
    buyers = [cell for cell in cells if cell.what == "buyers"]
    n_nps, n_promoters, n_detractors = _sums(nps)
    return ServiceFigures(
        n_contacts=sum(cell.n for cell in contacts),
        first_reply=_first_reply(_times(contacts)),
        first_contact_resolution=_counted(settled[1], settled[0]),
        resolution=_resolution(_times(tickets)),
        reopened=_counted(_sums(tickets)[2], _sums(tickets)[1]),
        complaints=_counted(_sums(contacts)[2], _sums(contacts)[1] if n_judged is None else n_judged),
        csat=_counted(_sums(csat)[1], _sums(csat)[0]),
        nps=PromoterScore(
            n=n_nps,
            n_promoters=n_promoters,
            n_detractors=n_detractors,
            score=promoter_score(n_promoters, n_detractors, n_nps) if n_nps >= ENOUGH else None,
        ),
        ces=_effort(*_sums([cell for cell in cells if cell.what == "ces"])),
        consultations=_counted(consultations[1], consultations[0]),
        contacting=_counted(_sums(buyers)[1], _sums(buyers)[0]) if has_buyers else None,
    )


def _first_reply(times: Times) -> FirstReply:
    curve = _curve(times)
    return FirstReply(
        n=int(times.n.sum()),
        n_answered=int(times.n[times.has_ended].sum()),
        median=_median(curve),
        within_hour=_within(times, curve, _HOUR_S),
        within_day=_within(times, curve, _DAY_S),
    )


def _resolution(times: Times) -> Resolution:
    return Resolution(
        n=int(times.n.sum()), n_resolved=int(times.n[times.has_ended].sum()), median=_median(_curve(times))
    )


def _times(cells: Iterable[ServiceCell]) -> Times:
    told = [cell.times for cell in cells if cell.times is not None]
    if not told:
        return Times(np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.int64))
    return Times(*(np.concatenate(part) for part in zip(*told, strict=True)))


def _curve(times: Times) -> Curve:
    """Return how many have not ended by when, as far as enough of them could be seen for so long or ended before."""
    curve = kaplan_meier(*times)
    return curve.first(int((_n_known(times, curve.time) >= ENOUGH).sum()))


def _n_known(times: Times, seconds: Array) -> Array:
    """Return of how many it is known whether they had ended by then; the later, the fewer."""
    waits = ~times.has_ended
    order = np.argsort(times.seconds[waits])
    n_gone = np.concatenate([[0], np.cumsum(times.n[waits][order])])
    found: Array = times.n.sum() - n_gone[np.searchsorted(times.seconds[waits][order], seconds)]
    return found


def _median(curve: Curve) -> Seconds | None:
    half, low, high = median(curve)
    return None if half is None else Seconds(seconds=half, low=low, high=high)


def _within(times: Times, curve: Curve, seconds: int) -> Estimate | None:
    n_known = int(_n_known(times, np.array([seconds]))[0])
    if n_known < ENOUGH:
        return None
    return curve.happened_by(seconds) or wilson(0, n_known)


def _effort(n: int, places: int, squares: int) -> EffortScore:
    """Return the mean of answers that were summed as places on their scales, in millionths."""
    if n < ENOUGH:
        return EffortScore(n=n, mean=None)
    found = mean(places / _MILLION, squares / _MILLION**2, n)
    span = EASIEST - HARDEST
    told = (HARDEST + span * min(max(place, 0.0), 1.0) for place in (found.value, found.low, found.high))
    return EffortScore(n=n, mean=Estimate(*told))


def _counted(n_hits: int, n: int) -> Counted:
    return Counted(n=n, n_hits=n_hits, share=wilson(n_hits, n) if n >= ENOUGH else None)


def _sums(cells: Sequence[ServiceCell]) -> tuple[int, int, int]:
    return sum(cell.n for cell in cells), sum(cell.n_first for cell in cells), sum(cell.n_second for cell in cells)


def _start(day: date, by: ServicePeriod) -> date:
    """Return the first day of the period; weeks begin on Monday."""
    return day.replace(day=1) if by == "month" else day - timedelta(days=day.weekday()) if by == "week" else day


def _next(day: date, by: ServicePeriod) -> date:
    return _start(day + timedelta(days={"day": 1, "week": 7, "month": 31}[by]), by)
