"""The events of one run of a partition's log, added to the engagement of all their customers together. Pure.

What they lead to is what `counters` and `derive` say, event by event; a property test holds both to it.
"""

from collections.abc import Container
from datetime import datetime
from itertools import compress

from services.sentiment.engagement.counters import (
    day_of,
    has_id,
    is_turn,
    turn_of,
    with_contact,
    with_event,
)
from services.sentiment.engagement.model import DAY_MS, WINDOW_DAYS, Day, Observation
from services.sentiment.engagement.packed import (
    FIRST_ASPECT,
    FIRST_CHANNEL,
    Packed,
    advance,
    past_day,
    put_past_day,
    take_turn,
)
from services.sentiment.engagement.table import LATEST_MS, NO_CONTACT, Table
from shared.clock import from_ms
from shared.contracts.enriched import ASPECT_NAMES, Engagement
from shared.contracts.event import CHANNEL_NAMES

# The row an event makes: of whom, first and last instant, contact, score, aspects of a complaint.
_Made = tuple[int, int, int, int, int | None, tuple[int, ...] | None]
# What is known of the customer with it: as of when, first and last contact, median response.
_Told = tuple[datetime, datetime | None, datetime | None, float | None]
_NOBODY = Packed()


class Run:
    """Events added customer by customer, as they come; `close` tells what each of them leads to.

    A customer's rows are in order of days, and so are the new events behind them. An event of a day that is over is put
    into that day's row; what comes from then on stands behind rows of their own, as if it were another customer's.
    """

    def __init__(self) -> None:
        self.going: dict[str, Packed] = {}
        # Of each customer: the place of the rows that are added to.
        self._places: dict[str, int] = {}
        # Rows from before the run or with a late event, and whose they are.
        self._rows: list[bytes] = []
        self._keys: list[str] = []
        self._made: list[_Made] = []
        self._told: list[_Told] = []

    def add(self, key: str, kept: Packed | None, seen: Observation) -> bool | None:
        """Include an event of a customer; return False if it is known, None if plain Python must add it.

        `kept` is what is known of a customer who is not among `going` yet, None for nobody: it is not changed.
        """
        going = self.going.get(key)
        known = going or kept or _NOBODY
        at_ms, today = seen.at_ms, known.today
        day, newest = at_ms // DAY_MS, known.newest_day
        if not 0 < at_ms < LATEST_MS:
            return None
        if day > newest:
            if going is None:
                going = self._open(key, known)
            advance(going, day)
            self._add_today(key, going, day_of(seen), seen)
            return True
        if today is None:
            return None
        if day == newest:
            if has_id(today.ids, seen.id):
                return False
            if going is None:
                going = self._open(key, known)
            self._add_today(key, going, with_event(today, seen), seen)
            return True
        _, _, bucket = past_day(known.past, day)
        if bucket is not None and has_id(bucket.ids, seen.id):
            return False
        if going is None:
            going = self._open(key, known)
        self._add_late(key, going, today, bucket, seen)
        return True

    def drop(self, keys: Container[str]) -> None:
        """Forget what was added of some customers."""
        is_kept = [self._keys[made[0]] not in keys for made in self._made]
        self._made = list(compress(self._made, is_kept))
        self._told = list(compress(self._told, is_kept))
        self._rows = [b"" if key in keys else rows for key, rows in zip(self._keys, self._rows, strict=True)]
        self.going = {key: going for key, going in self.going.items() if key not in keys}

    def close(self) -> list[Engagement]:
        """Return what is published with each event, in their order; `going` is what is kept of the customers then."""
        if not self._made:
            return []
        table = Table(self._rows, *zip(*self._made, strict=True))
        rows, oldest = table.rows()
        for key, going in self.going.items():
            place = self._places[key]
            going.rows, going.oldest_day = rows[place], oldest[place]
        columns = zip(
            self._told,
            *table.windows(),
            table.windows_by(FIRST_CHANNEL, CHANNEL_NAMES),
            table.windows_by(FIRST_ASPECT, ASPECT_NAMES),
            table.means(),
            table.trends(),
            table.silences_days(),
            strict=True,
        )
        return [
            Engagement(
                as_of=as_of,
                first_contact_at=first_at,
                last_contact_at=last_at,
                inbound=inbound,
                outbound=outbound,
                complaints=complaints,
                by_channel=by_channel,
                complaints_by_aspect=by_aspect,
                sentiment_mean_30d=mean,
                sentiment_trend=trend,
                longest_silence_days=silence_days,
                median_response_s=median,
            )
            for (
                (as_of, first_at, last_at, median),
                inbound,
                outbound,
                complaints,
                by_channel,
                by_aspect,
                mean,
                trend,
                silence_days,
            ) in columns
        ]

    def _open(self, key: str, known: Packed) -> Packed:
        """Return the customer to add to, and remember the rows that were there before."""
        going = self.going[key] = Packed(
            known.newest_day,
            known.first_ms,
            known.last_ms,
            known.first_at,
            known.today,
            known.today_bytes,
            known.past,
            b"",
            known.oldest_day,
            known.turns,
            known.median_response_s,
            known.links,
        )
        self._put(key, known.rows)
        return going

    def _put(self, key: str, rows: bytes) -> None:
        self._places[key] = len(self._rows)
        self._rows.append(rows)
        self._keys.append(key)

    def _add_today(self, key: str, going: Packed, today: Day, seen: Observation) -> None:
        """Add an event of the newest day, which becomes `today` with it."""
        going.today, going.today_bytes = today, b""
        at_ms, contact = seen.at_ms, seen.contact
        if contact is None:
            contact = NO_CONTACT
        else:
            is_last = at_ms > going.last_ms > 0
            _meet(going, at_ms, is_last)
            if seen.is_answer or seen.is_customers:
                take_turn(going, turn_of(seen), is_last=is_last)
        self._made.append((self._places[key], at_ms, at_ms, contact, seen.score, seen.complaint_aspects))
        self._told.append(_told(going, today))

    def _add_late(self, key: str, going: Packed, today: Day, bucket: Day | None, seen: Observation) -> None:
        """Add an event of a day that is over, or older than all."""
        day = seen.at_ms // DAY_MS
        if seen.contact is not None:
            _meet(going, seen.at_ms, is_last=False)
        if day > going.newest_day - WINDOW_DAYS:
            grown = day_of(seen) if bucket is None else with_event(bucket, seen)
            self._put(key, put_past_day(going, self._rows[self._places[key]], day, grown))
            if is_turn(seen):
                take_turn(going, turn_of(seen), is_last=False)
        # The day has the event; a row of today that adds nothing tells what it leads to.
        self._made.append((self._places[key], today.first_ms, today.last_ms, NO_CONTACT, None, None))
        self._told.append(_told(going, today))


def _meet(going: Packed, at_ms: int, is_last: bool) -> None:
    """Move the first and last contact."""
    if is_last:
        going.last_ms = at_ms
        return
    first_ms = going.first_ms
    going.first_ms, going.last_ms = with_contact(first_ms, going.last_ms, at_ms)
    if going.first_ms != first_ms or going.first_at is None:
        going.first_at = from_ms(going.first_ms)


def _told(going: Packed, today: Day) -> _Told:
    last_ms = going.last_ms
    if going.first_at is None:
        return from_ms(today.last_ms), None, None, going.median_response_s
    last_at = from_ms(last_ms)
    as_of = last_at if today.last_ms <= last_ms else from_ms(today.last_ms)
    return as_of, going.first_at, last_at, going.median_response_s
