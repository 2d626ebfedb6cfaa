"""Sentiment and churn in one process over a recorded log: the live processors, the live engine's order, no Kafka."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from services.churn_alerts.customer.agent import ChurnAlerts
from services.churn_alerts.customer.schedule import ROUND_MS
from services.ingest.event.decide import address
from services.sentiment.interaction.agent import SentimentProcessor
from services.sentiment.interaction.score import Scorer
from shared.clock import from_ms, to_ms
from shared.contracts.codec import decode_event, encode
from shared.contracts.control import CONTROL_TYPES, ClockTicked, Control
from shared.contracts.event import CustomerErased, CustomerIdentified, CustomerMerged
from shared.errors import Reject
from shared.ids import CustomerId
from shared.kafka.changelog import LoadedState
from shared.kafka.partition import Forwarded, InRecord, Partition, Poison
from shared.kafka.processor import Headers, Output
from shared.kafka.publisher import partition_for
from shared.links import LINKED_ID_HEADER, minted_id
from shared.topics import CHURN_ALERTS, ENRICHED, INTERACTIONS

_BATCH: Final = 2_000
_CROSSING: Final = (CustomerIdentified, CustomerMerged, CustomerErased)


class Recorded(NamedTuple):
    """A record of a partition's log in memory."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = 0


class Replayed(NamedTuple):
    """An alert record with what orders it: event time, alert id, revision. `value` is its JSON as published."""

    at: str
    alert_id: str
    revision: int
    value: bytes


class _AlertHead(msgspec.Struct, frozen=True):
    at: str
    alert_id: str
    revision: int


class _Taken(NamedTuple):
    """An event on its way to its customer's partition. `may_cross`: what it leads to may go to others."""

    key: str
    value: bytes
    headers: Headers
    may_cross: bool


class _Lane:
    """One partition of the chain: the log of interactions, and both processors' memory."""

    def __init__(self, number: int, scorer: Scorer) -> None:
        self.pending: list[Recorded] = []
        self.enriched: list[InRecord] = []
        self._n_in = self._n_enriched = 0
        self._sentiment = Partition(SentimentProcessor(scorer), number, _nothing_yet())
        self._churn = Partition(ChurnAlerts(), number, _nothing_yet())

    def append(self, key: str | None, value: bytes | None, headers: Headers = ()) -> None:
        self.pending.append(Recorded(self._n_in, None if key is None else key.encode(), value, headers))
        self._n_in += 1

    def append_enriched(self, key: str | None, value: bytes | None, headers: Headers) -> None:
        self.enriched.append(Recorded(self._n_enriched, None if key is None else key.encode(), value, headers))
        self._n_enriched += 1

    def advance(self) -> Iterator[Output | Replayed | Poison]:
        """Decide what is pending; yields alert records, inputs that could not be decided, and what other lanes need."""
        pending, self.pending = self.pending, []
        for work in self._sentiment.works(pending) if pending else ():
            yield from work.poison
            for output in work.outputs:
                if isinstance(output, Forwarded):
                    self.append_enriched(None, output.value, output.headers)
                elif output.topic is ENRICHED:
                    self.append_enriched(output.key, output.value, output.headers)
                elif output.topic is INTERACTIONS:
                    yield output
        enriched, self.enriched = self.enriched, []
        for work in self._churn.works(enriched) if enriched else ():
            yield from work.poison
            for output in work.outputs:
                if isinstance(output, Forwarded):
                    continue
                if output.topic is ENRICHED:
                    yield output
                elif output.topic is CHURN_ALERTS and output.value is not None:
                    head = _head.decode(output.value)
                    yield Replayed(head.at, head.alert_id, head.revision, output.value)


class Chain:
    """The chain of all partitions. Time reaches every partition at once, as the live ticker sees to."""

    def __init__(self, scorer: Scorer, partitions: int) -> None:
        self._lanes = [_Lane(number, scorer) for number in range(partitions)]
        self._known: dict[str, CustomerId] = {}
        # Customers whose events are, or may be, sent on to who they are now.
        self._moved: set[CustomerId] = set()
        self._ticked_ms = 0

    def run(self, lines: Iterable[bytes], until_ms: int | None = None) -> Iterator[Replayed | Poison | Reject]:
        """Yield what the log of `lines` leads to; `until_ms` is when the last tick comes, if later than the events.

        A line is an event, or a control record, which goes to every partition. A line that ingest would refuse is
        yielded as its `Reject`.
        """
        n_pending = 0
        for line in lines:
            try:
                taken = self._read(line)
            except Reject as error:
                yield error
                continue
            if taken is not None:
                # What a merge sends to another partition arrives there at the same place of the log, however many
                # there are: nothing else is on its way while it is decided.
                if taken.may_cross:
                    yield from self._advance()
                self._lane(taken.key).append(taken.key, taken.value, taken.headers)
                if taken.may_cross:
                    yield from self._advance()
            n_pending += 1
            if n_pending == _BATCH:
                yield from self._advance()
                n_pending = 0
        if until_ms is not None:
            self._tick(until_ms)
        yield from self._advance()

    def _read(self, line: bytes) -> "_Taken | None":
        """Return the event of a line with where it goes; what goes to every partition has been put there."""
        if (control := _control_of(line)) is not None:
            if isinstance(control, ClockTicked):
                self._tick(to_ms(control.at))
                return None
            for lane in self._lanes:
                lane.append(None, line)
            return None
        as_written = decode_event(line)
        event, customer_id, linked_id = address(as_written, self._known)
        if isinstance(event, CustomerMerged):
            self._moved.add(customer_id)
        if isinstance(event, CustomerIdentified):
            self._known.update(dict.fromkeys(event.customer.handles, customer_id))
            self._moved.update(map(minted_id, event.customer.handles))
        self._tick(to_ms(event.occurred_at) // ROUND_MS * ROUND_MS)
        value = line if event is as_written else encode(event)
        headers = () if linked_id is None else ((LINKED_ID_HEADER, linked_id.encode()),)
        may_cross = isinstance(event, _CROSSING) or customer_id in self._moved
        return _Taken(customer_id, value, headers, may_cross)

    def _lane(self, key: str) -> _Lane:
        return self._lanes[partition_for(key, len(self._lanes))]

    def _tick(self, at_ms: int) -> None:
        """Move time in every partition. Wake-ups fall on whole five minutes, so ticks between them change nothing."""
        if at_ms <= self._ticked_ms:
            return
        self._ticked_ms = at_ms
        tick = encode(ClockTicked(at=from_ms(at_ms)))
        for lane in self._lanes:
            lane.append(None, tick)

    def _advance(self) -> Iterator[Replayed | Poison]:
        while any(lane.pending or lane.enriched for lane in self._lanes):
            for lane in self._lanes:
                for one in lane.advance():
                    if not isinstance(one, Output):
                        yield one
                    elif one.topic is INTERACTIONS:
                        self._lane(one.key).append(one.key, one.value, one.headers)
                    else:
                        self._lane(one.key).append_enriched(one.key, one.value, one.headers)


def _nothing_yet() -> LoadedState:
    return LoadedState(rows={}, fence=-1, watermark_ms=0, controls=[], next_offset=0, heal=[], n_records=0)


def _control_of(line: bytes) -> Control | None:
    if b'"type"' not in line:
        return None
    try:
        return _control.decode(line) if _tag.decode(line).type in CONTROL_TYPES else None
    except msgspec.DecodeError:
        return None


class _Tag(msgspec.Struct, frozen=True):
    type: str


_tag: Final = msgspec.json.Decoder(_Tag)
_head: Final = msgspec.json.Decoder(_AlertHead)
_control: Final = msgspec.json.Decoder(Control)
