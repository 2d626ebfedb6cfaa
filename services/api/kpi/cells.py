"""Packed facts counted: which of them are alike, by what they are told by. Pure; a year of a million takes a second."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from services.api.kpi.model import FACT_BYTES, REOPENED_WITHIN, Dimension, Packed, Served, ServiceCell
from shared.contracts.enriched import ASPECT_NAMES
from shared.contracts.event import CHANNEL_NAMES

Array = np.ndarray[Any, Any]

# Instants and durations are microseconds, instants since 2000 as PostgreSQL sends them. `open_since` is NEVER for what
# has ended, `took` what it was open for before. The flags: what it is, first, second, timed (a call waits for nobody).
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
_NAMES: dict[Served, Any] = {
    Served.CONTACT: "contact",
    Served.TICKET: "ticket",
    Served.CSAT: "csat",
    Served.NPS: "nps",
}


def service_cells(
    packed: Packed, since: datetime, until: datetime, seen: datetime, days: Sequence[date], zone: ZoneInfo
) -> list[ServiceCell]:
    """Return what began from `since` to `until` as it stood at `seen`, by dimension; periods begin on `days`.

    Times are whole seconds below ten minutes, whole minutes below a day and whole hours beyond: cells stay few.
    """
    starts = np.array([_us(datetime.combine(day, time(), zone)) for day in days])
    first, last, now = _us(since), _us(until), _us(seen)
    facts = np.frombuffer(packed.facts + packed.tickets, FACT)
    n_facts, n_bought = np.frombuffer(packed.n_facts, ">i4"), np.frombuffer(packed.n_bought, ">i4")
    # Tickets are nobody's: who made contact is told by contacts.
    n_tickets = len(packed.tickets) // FACT_BYTES
    whose = np.concatenate([np.repeat(np.arange(len(n_facts)), n_facts), np.full(n_tickets, -1)])
    is_asked_for = (facts["started_at"] >= first) & (facts["started_at"] < last)
    facts, whose = facts[is_asked_for], whose[is_asked_for]
    cells: list[ServiceCell] = []
    for kind in Served:
        chosen = facts["flags"] & 3 == kind
        cells += _counted(facts[chosen], kind, now, starts, days, packed.agents)
    bought_at = np.frombuffer(packed.bought, ">i8").astype(np.int64)
    buyer = np.repeat(np.arange(len(n_bought)), n_bought)
    is_asked_for = (bought_at >= first) & (bought_at < last)
    bought_at, buyer = bought_at[is_asked_for], buyer[is_asked_for]
    contact = facts["flags"] & 3 == Served.CONTACT
    cells += _buyers(
        (buyer, _number(starts, bought_at)),
        (whose[contact], _number(starts, facts["started_at"][contact]), facts["channel"][contact]),
        days,
    )
    return cells


def _counted(
    facts: Array, kind: Served, now: int, starts: Array, days: Sequence[date], agents: Mapping[int, str]
) -> Iterator[ServiceCell]:
    has_ended = facts["open_since"] == _NEVER
    took = facts["took"] + np.where(has_ended, 0, now - np.where(has_ended, 0, facts["open_since"]))
    is_timed = facts["flags"] & 16 != 0
    seconds = np.where(is_timed, _rounded((took + _S // 2) // _S), -1)
    is_first, is_second = facts["flags"] & 4 != 0, facts["flags"] & 8 != 0
    if kind is Served.TICKET:
        resolved_at = facts["resolved_at"].astype(np.int64)
        is_first = (resolved_at != _NEVER) & (resolved_at <= now - REOPENED_WITHIN // _US)
        is_second &= is_first
    values, rank = np.unique(seconds, return_inverse=True)
    alike = rank * 2 + has_ended

    def cells(dimension: Dimension, names: Sequence[str], code: Array, chosen: Array | slice) -> Iterator[ServiceCell]:
        keys, number = np.unique(code * (2 * len(values)) + alike[chosen], return_inverse=True)
        n, n_first, n_second = (
            np.bincount(number, weights=weights, minlength=len(keys)).astype(np.int64).tolist()
            for weights in (None, is_first[chosen], is_second[chosen])
        )
        for index, key in enumerate(keys.tolist()):
            of, rest = divmod(key, 2 * len(values))
            took_s = int(values[rest // 2])
            yield ServiceCell(
                _NAMES[kind], dimension, names[of], None if took_s < 0 else took_s, bool(rest % 2),
                n[index], n_first[index], n_second[index],
            )  # fmt: skip

    if not len(facts):
        return
    everything = slice(None)
    yield from cells("whole", [""], np.zeros(len(facts), np.int64), everything)
    yield from cells("period", _day_names(days), _number(starts, facts["started_at"]), everything)
    has_channel = facts["channel"] > 0
    yield from cells("channel", CHANNEL_NAMES, facts["channel"][has_channel].astype(np.int64) - 1, has_channel)
    has_agent = facts["agent"] != 0
    ids, of = np.unique(facts["agent"][has_agent], return_inverse=True)
    yield from cells("agent", [agents[one] for one in ids.tolist()], of, has_agent)
    for bit, name in enumerate(ASPECT_NAMES):
        has_aspect = facts["aspects"] >> bit & 1 == 1
        yield from cells("aspect", [name], np.zeros(int(has_aspect.sum()), np.int64), has_aspect)


def _buyers(bought: tuple[Array, Array], asked: tuple[Array, Array, Array], days: Sequence[date]) -> list[ServiceCell]:
    """Return who of the buyers made contact. `bought`: customer and period; `asked`: those and the channel."""
    (buyer, bought_in), (asker, asked_in, channel) = bought, asked
    buyers = np.unique(buyer)
    cells = [_cell("whole", "", len(buyers), int(np.isin(buyers, asker).sum()))]
    pairs = np.unique(buyer * len(days) + bought_in)
    has_asked = np.isin(pairs, asker * len(days) + asked_in)
    for number, name in enumerate(_day_names(days)):
        if n := int((in_it := pairs % len(days) == number).sum()):
            cells.append(_cell("period", name, n, int(has_asked[in_it].sum())))
    for number, name in enumerate(CHANNEL_NAMES, 1):
        askers = np.unique(asker[channel == number])
        if n := int(np.isin(askers, buyers).sum()):
            cells.append(_cell("channel", name, len(buyers), n))
    return cells


def _cell(dimension: Dimension, name: str, n: int, n_asked: int) -> ServiceCell:
    return ServiceCell("buyers", dimension, name, None, True, n, n_asked, 0)


def _number(starts: Array, at: Array) -> Array:
    return np.searchsorted(starts, at.astype(np.int64), side="right") - 1


def _rounded(seconds: Array) -> Array:
    minutes, hours = seconds // 60 * 60, seconds // 3_600 * 3_600
    return np.where(seconds < 600, seconds, np.where(seconds < 86_400, minutes, hours))


def _day_names(days: Sequence[date]) -> list[str]:
    return [day.isoformat() for day in days]


def _us(at: datetime) -> int:
    """Return the microseconds since 2000, as PostgreSQL counts."""
    return (at - _ORIGIN) // _US
