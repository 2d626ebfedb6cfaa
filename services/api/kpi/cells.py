"""Packed facts counted: which of them are alike, by what they are told by. Pure; a year of a million takes a second."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from services.api.kpi.model import (
    AGAIN_WITHIN,
    FACT_BYTES,
    REOPENED_WITHIN,
    Array,
    Dimension,
    Packed,
    Served,
    ServiceCell,
    Times,
    What,
)
from shared.contracts.enriched import ASPECT_NAMES
from shared.contracts.event import CHANNEL_NAMES

# Instants and durations are microseconds, instants since 2000 as PostgreSQL sends them. `open_since` is NEVER for what
# has ended, `took` what it was open for before, or the place of an answer about effort on its scale, in millionths. The
# flags: what it is (two bits, and a third at 32), first, second, timed (a call waits for nobody).
FACT = np.dtype(
    [
        ("started_at", ">i8"), ("took", ">i8"), ("open_since", ">i8"), ("resolved_at", ">i8"), ("agent", ">i8"),
        ("aspects", ">i2"), ("channel", ">i2"), ("flags", ">i2"),
    ]
)  # fmt: skip
assert FACT.itemsize == FACT_BYTES  # noqa: S101 - two files say how facts are packed
_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
_NEVER = np.iinfo(np.int64).min
_US = timedelta(microseconds=1)
_S = 1_000_000
_NAMES: dict[Served, What] = {
    Served.CONTACT: "contact",
    Served.TICKET: "ticket",
    Served.CSAT: "csat",
    Served.NPS: "nps",
    Served.CES: "ces",
    Served.CONSULTATION: "consultation",
}
_FIRST, _TIMED = 4, 16


def service_cells(
    packed: Packed, since: datetime, until: datetime, seen: datetime, days: Sequence[date], zone: ZoneInfo
) -> list[ServiceCell]:
    """Return what began from `since` to `until` as it stood at `seen`, by dimension; periods begin on `days`.

    Times are whole seconds below ten minutes, whole minutes below a day and whole hours beyond: cells stay few.
    """
    starts = np.array([_us(datetime.combine(day, time(), zone)) for day in days])
    first, last, now = _us(since), _us(until), _us(seen)
    facts = np.frombuffer(packed.facts + packed.tickets + packed.efforts, FACT)
    n_facts, n_bought = np.frombuffer(packed.n_facts, ">i4"), np.frombuffer(packed.n_bought, ">i4")
    # Whose tickets and efforts are is no matter: who made contact is told by contacts.
    n_others = len(packed.tickets + packed.efforts) // FACT_BYTES
    whose = np.concatenate([np.repeat(np.arange(len(n_facts)), n_facts), np.full(n_others, -1)])
    settled = _settled(facts, whose, first, last, now)
    is_asked_for = (facts["started_at"] >= first) & (facts["started_at"] < last)
    facts, whose = facts[is_asked_for], whose[is_asked_for]
    cells: list[ServiceCell] = []
    for kind in Served:
        chosen = _kind(facts) == kind
        cells += _counted(facts[chosen], _NAMES[kind], now, starts, days, packed.agents)
    cells += _counted(settled, "settled", now, starts, days, packed.agents)
    bought_at = np.frombuffer(packed.bought, ">i8").astype(np.int64)
    buyer = np.repeat(np.arange(len(n_bought)), n_bought)
    is_asked_for = (bought_at >= first) & (bought_at < last)
    bought_at, buyer = bought_at[is_asked_for], buyer[is_asked_for]
    contact = _kind(facts) == Served.CONTACT
    cells += _buyers(
        len(n_facts),
        (buyer, _number(starts, bought_at)),
        (whose[contact], _number(starts, facts["started_at"][contact]), facts["channel"][contact]),
        days,
    )
    return cells


def _kind(facts: Array) -> Array:
    found: Array = facts["flags"] & 3 | facts["flags"] >> 3 & 4
    return found


def _settled(facts: Array, whose: Array, first: int, last: int, now: int) -> Array:
    """Return the contacts a person answered long enough ago, as facts whose `first` says: and no other followed."""
    week = AGAIN_WITHIN // _US
    is_contact = _kind(facts) == Served.CONTACT
    is_near = is_contact & (facts["started_at"] >= first) & (facts["started_at"] < last + week)
    facts, whose = facts[is_near], whose[is_near]
    started_at = facts["started_at"].astype(np.int64)
    order = np.lexsort((started_at, whose))
    facts, whose, started_at = facts[order], whose[order], started_at[order]
    # The next one of the customer that began later: what began at one instant is no sequel of each other.
    is_later = (np.diff(whose, prepend=-1) != 0) | (np.diff(started_at, prepend=first) != 0)
    begins = np.append(np.flatnonzero(is_later), len(facts))
    following = begins[np.cumsum(is_later)]
    is_followed = np.zeros(len(facts), np.bool_)
    has_next = following < len(facts)
    after = following[has_next]
    is_followed[has_next] = (whose[after] == whose[has_next]) & (started_at[after] - started_at[has_next] <= week)
    is_answered = (facts["open_since"] == _NEVER) | (facts["flags"] & _TIMED == 0)
    chosen = is_answered & (started_at < last) & (started_at <= now - week)
    settled: Array = facts[chosen].copy()
    settled["flags"] = np.where(is_followed[chosen], 0, _FIRST)
    return settled


def _counted(
    facts: Array, what: What, now: int, starts: Array, days: Sequence[date], agents: Mapping[int, str]
) -> Iterator[ServiceCell]:
    if not len(facts):
        return
    open_since = facts["open_since"].astype(np.int64)
    has_ended = open_since == _NEVER
    # What was summed up since the question was asked may have begun after it.
    took = facts["took"] + np.where(has_ended, 0, np.maximum(now - np.where(has_ended, now, open_since), 0))
    flags = facts["flags"].astype(np.int64)
    is_timed, is_first, is_second = (flags & bit != 0 for bit in (_TIMED, _FIRST, 8))
    if what == "ticket":
        resolved_at = facts["resolved_at"].astype(np.int64)
        is_first = (resolved_at != _NEVER) & (resolved_at <= now - REOPENED_WITHIN // _US)
        is_second &= is_first
    # What is summed of each: nearly always whether it is one.
    place = facts["took"].astype(np.float64)
    first, second = (place, place**2) if what == "ces" else (is_first, is_second)
    values, rank = _ranked((took + _S // 2) // _S, has_ended)
    alike = rank * 2 + has_ended

    def cells(dimension: Dimension, names: Sequence[str], code: Array, among: Array | slice) -> Iterator[ServiceCell]:
        if not names:
            return
        timed = is_timed[among]
        keys = code[timed] * (2 * len(values)) + alike[among][timed]
        by_time = np.bincount(keys, minlength=len(names) * 2 * len(values)).reshape(len(names), -1)
        n = np.bincount(code, minlength=len(names)).tolist()
        n_first, n_second = (
            np.bincount(code, weights=some[among], minlength=len(names)).astype(np.int64).tolist()
            for some in (first, second)
        )
        for number, name in enumerate(names):
            if n[number]:
                found = np.flatnonzero(by_time[number])
                times = Times(values[found // 2], found % 2 == 1, by_time[number][found]) if len(found) else None
                yield ServiceCell(what, dimension, name, n[number], n_first[number], n_second[number], times)

    yield from cells("whole", [""], np.zeros(len(facts), np.int64), slice(None))
    yield from cells("period", _day_names(days), _number(starts, facts["started_at"]), slice(None))
    channel = facts["channel"].astype(np.int64)
    yield from cells("channel", CHANNEL_NAMES, channel[channel > 0] - 1, channel > 0)
    agent = facts["agent"].astype(np.int64)
    ids = sorted(agents)
    of = np.searchsorted(np.array(ids, np.int64), agent[agent != 0])
    yield from cells("agent", [agents[one] for one in ids], of, agent != 0)
    aspects = facts["aspects"].astype(np.int64)
    for bit, name in enumerate(ASPECT_NAMES):
        has_aspect = aspects >> bit & 1 == 1
        yield from cells("aspect", [name], np.zeros(int(has_aspect.sum()), np.int64), has_aspect)


def _buyers(
    n: int, bought: tuple[Array, Array], asked: tuple[Array, Array, Array], days: Sequence[date]
) -> Iterator[ServiceCell]:
    """Tell who of the buyers made contact. `bought`: customer and period; `asked`: those and the channel."""
    (buyer, bought_in), (asker, asked_in, channel) = bought, asked
    has_bought, has_made = _among(n, buyer), _among(n, asker)
    n_buyers = int(has_bought.sum())
    yield ServiceCell("buyers", "whole", "", n_buyers, int((has_bought & has_made).sum()), 0)
    pairs, asked_pairs = _distinct(buyer * len(days) + bought_in), _distinct(asker * len(days) + asked_in)
    # One beyond all of them is in the place of what is not there.
    asked_pairs = np.append(asked_pairs, -1)
    has_asked = asked_pairs[np.searchsorted(asked_pairs[:-1], pairs)] == pairs
    of_period, asked_of_period = (
        np.bincount(some % len(days), minlength=len(days)).tolist() for some in (pairs, pairs[has_asked])
    )
    for number, name in enumerate(_day_names(days)):
        if of_period[number]:
            yield ServiceCell("buyers", "period", name, of_period[number], asked_of_period[number], 0)
    for number, name in enumerate(CHANNEL_NAMES, 1):
        if n_of_channel := int((has_bought & _among(n, asker[channel == number])).sum()):
            yield ServiceCell("buyers", "channel", name, n_buyers, n_of_channel, 0)


def _distinct(numbers: Array) -> Array:
    """Return each number once, rising. Nearly sorted already, as these are, they need no hashing."""
    rising: Array = np.sort(numbers, kind="stable")
    distinct: Array = rising[np.diff(rising, prepend=-1) != 0]
    return distinct


def _among(n: int, some: Array) -> Array:
    found = np.zeros(n, np.bool_)
    found[some] = True
    return found


def _number(starts: Array, at: Array) -> Array:
    found: Array = np.searchsorted(starts, at.astype(np.int64), side="right") - 1
    return found


def _ranked(seconds: Array, has_ended: Array) -> tuple[Array, Array]:
    """Return the rounded times there are, rising, and the place of each among them; sorting a million takes longer.

    What has ended is rounded up, what has not down: an answer after a day and a minute did not come within the day.
    """
    minutes, hours = (seconds + 59 * has_ended) // 60, (seconds + 3_599 * has_ended) // 3_600
    # 600 seconds, then minutes from the tenth, then hours from the first day's end.
    level = np.where(seconds < 600, seconds, np.where(seconds < 86_400, 590 + minutes, 2_006 + hours))
    rounded = np.where(seconds < 600, seconds, np.where(seconds < 86_400, minutes * 60, hours * 3_600))
    values = np.zeros(int(level.max()) + 1, np.int64)
    values[level] = rounded
    is_there = np.bincount(level) > 0
    return values[is_there], (np.cumsum(is_there) - 1)[level]


def _day_names(days: Sequence[date]) -> list[str]:
    return [day.isoformat() for day in days]


def _us(at: datetime) -> int:
    """Return the microseconds since 2000, as PostgreSQL counts."""
    return (at - _ORIGIN) // _US
