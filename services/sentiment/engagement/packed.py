"""A customer's engagement with its days as rows of numbers, which a run of events adds to, and its bytes. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from struct import Struct as Layout
from typing import Final

import msgspec
from msgspec import Struct

from services.sentiment.engagement.counters import kept_turns, with_turn
from services.sentiment.engagement.derive import median_response_s
from services.sentiment.engagement.model import ANY_COMPLAINT, DAY_MS, MAX_TURNS, WINDOW_DAYS, Day, EngagementState
from services.sentiment.engagement.state import decode_state, encode_state
from shared.clock import from_ms
from shared.contracts.enriched import ASPECT_NAMES
from shared.contracts.event import CHANNEL_NAMES
from shared.links import Links

# What a day's row counts. Directions and channels are those of contacts; internal ones count for their channel alone.
INBOUND, OUTBOUND, COMPLAINTS, N_SCORED, CONTACTS = range(5)
FIRST_CHANNEL: Final = 5
FIRST_ASPECT: Final = FIRST_CHANNEL + len(CHANNEL_NAMES)
N_COUNTS: Final = FIRST_ASPECT + len(ASPECT_NAMES)
# First and last instant, sum of scores, counts; what fills it up keeps the next row's instants in their places.
_ROW: Final = Layout(f"<3q{N_COUNTS}i4x")
ROW_BYTES: Final = _ROW.size
_INSTANT_BYTES: Final = 8
_DAY_END: Final = b"],"

_encode: Final = msgspec.json.Encoder().encode
_decode_turns: Final = msgspec.json.Decoder(list[int]).decode
_decode_day: Final = msgspec.json.Decoder(Day).decode
_decode_days: Final = msgspec.json.Decoder(dict[int, Day]).decode


class Packed(Struct, gc=False):
    """An `EngagementState` without parts.

    `rows` has a row for every day, `past` the days before the newest as they stand in the state's bytes, each with the
    comma behind it, `turns` the turns likewise without brackets; `oldest_day` is that of the first row. One that others
    may hold is never changed but for `today_bytes`, the newest day as bytes, empty until asked for.
    """

    newest_day: int = -1
    first_ms: int = 0
    last_ms: int = 0
    first_at: datetime | None = None
    today: Day | None = None
    today_bytes: bytes = b""
    past: bytes = b""
    rows: bytes = b""
    oldest_day: int = 0
    turns: bytes = b""
    median_response_s: float | None = None
    links: Links | None = None


Kept = EngagementState | Packed
"""A customer's engagement as the processor keeps it: packed if a run was the last to add to it, plain otherwise."""


def packed(kept: Kept) -> Packed:
    """Return the state with its days as rows; it must not have parts."""
    if isinstance(kept, Packed):
        return kept
    days = sorted(kept.days.items())
    return Packed(
        kept.newest_day,
        kept.first_ms,
        kept.last_ms,
        from_ms(kept.first_ms) if kept.last_ms else None,
        kept.days.get(kept.newest_day),
        b"",
        b"".join([_member(day, bucket) + b"," for day, bucket in days if day != kept.newest_day]),
        b"".join([row_of(bucket) for _, bucket in days]),
        days[0][0] if days else 0,
        _encode(kept.turns)[1:-1],
        median_response_s(kept.turns),
        kept.links,
    )


def plain(kept: Kept) -> EngagementState:
    """Return the state as plain Python adds to it."""
    return decode_state(encode_kept(kept)) if isinstance(kept, Packed) else kept


def encode_kept(kept: Kept) -> bytes:
    """Return the state's bytes, those of `encode_state`."""
    if not isinstance(kept, Packed):
        return encode_state(kept)
    return b"[%d,%d,%d,{%b%b},[%b],%b,{}]" % (
        kept.newest_day,
        kept.first_ms,
        kept.last_ms,
        kept.past if kept.today is not None else kept.past[:-1],
        _today_bytes(kept),
        kept.turns,
        b"null" if kept.links is None else _encode(kept.links),
    )


def row_of(bucket: Day) -> bytes:
    """Return the row of a day."""
    counts = [0] * N_COUNTS
    for code, n in bucket.contacts.items():
        counts[CONTACTS] += n
        counts[FIRST_CHANNEL + code // 3] += n
        if code % 3 < 2:
            counts[code % 3] += n
    for code, n in bucket.complaints.items():
        counts[COMPLAINTS if code == ANY_COMPLAINT else FIRST_ASPECT + code] += n
    counts[N_SCORED] = bucket.n_scored
    return _ROW.pack(bucket.first_ms, bucket.last_ms, bucket.score_sum, *counts)


def day_of_row(rows: bytes, number: int) -> int:
    at = number * ROW_BYTES
    return int.from_bytes(rows[at : at + _INSTANT_BYTES], "little") // DAY_MS


def advance(going: Packed, day: int) -> None:
    """Make `day` the newest: the one before it is over, and what is too old is let go."""
    if going.today is not None:
        going.past += _today_bytes(going) + b","
    oldest = day - WINDOW_DAYS + 1
    if going.oldest_day < oldest:
        past = going.past
        while past and int(past[1 : past.index(b'"', 1)]) < oldest:
            past = past[past.index(_DAY_END) + len(_DAY_END) :]
        going.past = past
        if going.turns and int(going.turns.split(b",", 1)[0]) < 2 * oldest * DAY_MS:
            _set_turns(going, kept_turns(_turns(going), day))
    going.newest_day = day


def take_turn(going: Packed, turn: int, *, is_last: bool) -> None:
    """Keep who spoke when; `is_last`: nobody spoke later."""
    if not turn & 1:
        # A question at the end answers nothing.
        if not going.turns:
            going.turns = b"%d" % turn
            return
        if is_last and going.turns.count(b",") < MAX_TURNS - 1:
            going.turns += b",%d" % turn
            return
    _set_turns(going, with_turn(_turns(going), turn, going.newest_day))


def past_day(past: bytes, day: int) -> tuple[int, int, Day | None]:
    """Return where among the days that are over one stands, with its comma, and the day; or where it would stand."""
    name = b'"%d":' % day
    at = past.find(name + b"[")
    if at >= 0:
        end = past.index(_DAY_END, at) + len(_DAY_END)
        return at, end, _decode_day(past[at + len(name) : end - 1])
    at = 0
    while at < len(past) and int(past[at + 1 : past.index(b'"', at + 1)]) < day:
        at = past.index(_DAY_END, at) + len(_DAY_END)
    return at, at, None


def put_past_day(going: Packed, rows: bytes, day: int, grown: Day) -> bytes:
    """Set a day that is over, and return the customer's rows with it; `rows` are those of an earlier time."""
    rows = _current_rows(going, rows)
    at, end, bucket = past_day(going.past, day)
    going.past = b"%b%b,%b" % (going.past[:at], _member(day, grown), going.past[end:])
    going.oldest_day = min(going.oldest_day, day)
    at = ROW_BYTES * bisect_left(range(len(rows) // ROW_BYTES), day, key=partial(day_of_row, rows))
    return rows[:at] + row_of(grown) + rows[at if bucket is None else at + ROW_BYTES :]


def _current_rows(going: Packed, rows: bytes) -> bytes:
    """Return the customer's rows as they are now, from those of an earlier time: days since then are read again."""
    since = day_of_row(rows, len(rows) // ROW_BYTES - 1) if rows else -1
    changed = b""
    if since < going.newest_day:
        # Where that day is gone, only later ones are left.
        changed = going.past[max(0, going.past.find(b'"%d":[' % since)) :]
    days = list(_decode_days(b"{%b}" % changed[:-1]).values())
    if going.today is not None:
        days.append(going.today)
    return rows[:-ROW_BYTES] + b"".join(map(row_of, days))


def _turns(going: Packed) -> list[int]:
    return _decode_turns(b"[%b]" % going.turns)


def _set_turns(going: Packed, turns: Sequence[int]) -> None:
    going.turns = _encode(turns)[1:-1]
    going.median_response_s = median_response_s(turns)


def _today_bytes(kept: Packed) -> bytes:
    if not kept.today_bytes and kept.today is not None:
        kept.today_bytes = _member(kept.newest_day, kept.today)
    return kept.today_bytes


def _member(day: int, bucket: Day) -> bytes:
    """Return the day as a member of the days' JSON object."""
    return b'"%d":%b' % (day, _encode(bucket))
