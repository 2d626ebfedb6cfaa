"""What is kept of a customer's engagement: daily buckets over 90 days, instants of first and last contact."""

from msgspec import Struct

from shared.contracts.enriched import ASPECT_NAMES
from shared.links import Links

DAY_MS = 86_400_000
WINDOW_DAYS = 90
# Scores are kept in ten-thousandths.
SCORE_UNIT = 10_000
# The index after the aspects' counts complaints of any kind.
ANY_COMPLAINT = len(ASPECT_NAMES)
# Ids remembered a day: beyond so many events of one customer on one day a repetition is counted again.
MAX_IDS_A_DAY = 256
ID_BYTES = 8
# Turns (who spoke when) kept for response times.
MAX_TURNS = 64


class Day(Struct, frozen=True, gc=False, array_like=True):
    """One UTC day of one customer, all parts commutative: sorted sets, minima, maxima, integer sums.

    `ids` holds the sorted 8-byte names of the day's events; `contacts` counts by channel × direction code;
    `complaints` by aspect index, the last index counting complaints of any kind; scores are in ten-thousandths.
    """

    ids: bytes = b""
    first_ms: int = 0
    last_ms: int = 0
    contacts: dict[int, int] = {}
    kinds: dict[int, int] = {}
    complaints: dict[int, int] = {}
    n_scored: int = 0
    score_sum: int = 0


class EngagementState(Struct, frozen=True, gc=False, array_like=True):
    """A customer's engagement. Days since 1970 as keys; equal sets of events give equal states.

    `turns` are instants in ms doubled, plus one for an answer by a person: sorted, the newest ones. `links` and
    `parts`, the engagement of each customer that was joined to this one, belong to services/sentiment/identity; what
    stands beside them is the customer's own alone.
    """

    newest_day: int = -1
    first_ms: int = 0
    last_ms: int = 0
    days: dict[int, Day] = {}
    turns: list[int] = []
    links: Links | None = None
    parts: dict[str, "EngagementState"] = {}


class Observation(Struct, frozen=True, gc=False):
    """What an event adds: derived from the event and its sentiment, see `observe`."""

    id: bytes
    at_ms: int
    kind: int
    contact: int | None = None
    is_answer: bool = False
    is_customers: bool = False
    score: int | None = None
    complaint_aspects: tuple[int, ...] | None = None
