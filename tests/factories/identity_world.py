"""Both processors over a few partitions of a log in memory, delivered piece by piece, with repetitions where told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from services.churn_alerts.customer.agent import ChurnAlerts
from services.churn_alerts.customer.state import CustomerState, decode_state
from services.ingest.event.decide import stamp
from services.sentiment.engagement.model import EngagementState
from services.sentiment.engagement.tally import Tally, engagement
from services.sentiment.identity.decide import whole
from services.sentiment.interaction.agent import SentimentProcessor
from services.sentiment.interaction.model import SHIPPED_ARTEFACT
from services.sentiment.interaction.score import Scorer
from shared.contracts.codec import encode
from shared.contracts.event import Customer, CustomerErased, CustomerMerged, EventBase, OrderPlaced
from shared.contracts.identity import HandleOwner, IdentityNotice, LinkClaimed, LinkConflicted, LinkDissolved
from shared.ids import CustomerId
from shared.kafka.changelog import LoadedState
from shared.kafka.partition import Forwarded, Partition
from shared.kafka.processor import Headers, Output
from shared.kafka.publisher import partition_for
from shared.links import LINKED_ID_HEADER, Links
from shared.topics import CHURN_ALERTS, ENRICHED, IDENTITIES, INTERACTIONS
from tests.fakes.kafka import FakeRecord

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_SCORER = Scorer.load(SHIPPED_ARTEFACT)
_notice = msgspec.json.Decoder(IdentityNotice)
_owner = msgspec.json.Decoder(HandleOwner)


class Stage:
    """One processor over one partition: its log, its memory, and how far it has read."""

    def __init__(self, processor: Any, number: int) -> None:
        nothing = LoadedState(rows={}, fence=-1, watermark_ms=0, controls=[], next_offset=0, heal=[], n_records=0)
        self.log: list[FakeRecord] = []
        self.partition: Partition[Any, Any] = Partition(processor, number, nothing)
        self.n_read = 0

    @property
    def n_waiting(self) -> int:
        return len(self.log) - self.n_read

    def append(self, key: str, value: bytes | None, headers: Headers) -> None:
        self.log.append(FakeRecord(len(self.log), key.encode(), value, headers))

    def advance(self, n_records: int) -> list[Output]:
        """Decide the next records and return the outputs."""
        batch = self.log[self.n_read : self.n_read + n_records]
        self.n_read += len(batch)
        outputs: list[Output] = []
        for work in self.partition.works(batch):
            assert not work.poison, work.poison[0].error
            outputs += [output for output in work.outputs if not isinstance(output, Forwarded)]
        return outputs


class World:
    """`sentiment` and `churn` stages by partition; what ingest knows; conflicts and alert records that were told."""

    def __init__(self, n_partitions: int) -> None:
        self.sentiment = [Stage(SentimentProcessor(_SCORER), number) for number in range(n_partitions)]
        self.churn = [Stage(ChurnAlerts(), number) for number in range(n_partitions)]
        self.known: dict[str, CustomerId] = {}
        self.unread_owners: list[tuple[str, bytes | None]] = []
        self.conflicts: set[tuple[str, str, str]] = set()
        self.alerts: list[bytes] = []
        self.now = NOON

    def place(self, key: str) -> int:
        return partition_for(key, len(self.sentiment))

    def tick(self) -> datetime:
        """Return the next instant: no two things that are sent happen at once."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def order(self, event_id: str, customer_id: str | None = None, *handles: str, at: datetime | None = None) -> None:
        """Send an order of one unit of money through ingest, as it knows handles today; `at` is when it was placed."""
        customer = Customer(customer_id, list(handles))
        self.send(
            OrderPlaced(
                id=event_id,
                source="shop",
                occurred_at=at or self.tick(),
                customer=customer,
                channel="web",
                direction="inbound",
                order_id=event_id,
                amount="1.00",
            )
        )

    def merge(self, event_id: str, from_id: str, into_id: str) -> None:
        customer = Customer(from_id)
        self.send(
            CustomerMerged(
                id=event_id, source="crm", occurred_at=self.tick(), customer=customer, from_id=from_id, into_id=into_id
            )
        )

    def erase(self, event_id: str, customer_id: str, at: datetime) -> None:
        self.send(CustomerErased(id=event_id, source="crm", occurred_at=at, customer=Customer(customer_id)))

    def send(self, event: EventBase) -> None:
        accepted = stamp(event, self.tick(), self.known)
        headers = [] if accepted.linked_id is None else [(LINKED_ID_HEADER, accepted.linked_id.encode())]
        key = accepted.customer_id
        self.sentiment[self.place(key)].append(key, accepted.value, headers)

    def command(self, command: LinkClaimed | LinkDissolved) -> None:
        key = command.linked_id
        self.sentiment[self.place(key)].append(key, encode(command), ())

    def learn(self) -> None:
        """Let ingest read the next change of a handle's owner."""
        if self.unread_owners:
            handle, value = self.unread_owners.pop(0)
            if value is None:
                self.known.pop(handle, None)
            else:
                self.known[handle] = CustomerId(_owner.decode(value).customer_id)

    def step(self, stage: Stage, n_records: int = 1, *, is_repeated: bool = False) -> None:
        """Deliver records to a stage; `is_repeated`: its process died after publishing, so the outputs come twice."""
        outputs = stage.advance(n_records)
        for output in outputs * (1 + is_repeated):
            self._route(output, self.sentiment.index(stage) if stage in self.sentiment else self.churn.index(stage))

    def settle(self) -> None:
        """Deliver everything there is."""
        while any(stage.n_waiting for stage in (*self.sentiment, *self.churn)) or self.unread_owners:
            for stage in (*self.sentiment, *self.churn):
                if stage.n_waiting:
                    self.step(stage, stage.n_waiting)
            while self.unread_owners:
                self.learn()

    def links(self, key: str) -> Links:
        state = self.engagement(key)
        return Links() if state is None or state.links is None else state.links

    def engagement(self, key: str) -> EngagementState | None:
        tally: Tally | None = self.sentiment[self.place(key)].partition.states.get(key)
        return None if tally is None else tally.state()

    def n_contacts(self, key: str) -> int:
        """Return how many orders the customer's published engagement counts."""
        state = self.engagement(key)
        return 0 if state is None else engagement(whole(state)).inbound.d90

    def n_of_history(self, origin: str) -> int:
        """Return how many orders the history of one id counts, with whomever it stands."""
        root = self.root(origin)
        state = self.engagement(root)
        own = state if root == origin or state is None else state.parts.get(origin)
        return 0 if own is None else engagement(replace(own, links=None, parts={})).inbound.d90

    def leads_to(self, key: str, customer_id: str) -> bool:
        """Return whether the id is linked to the customer, directly or along others."""
        while above := self.links(key).merged_into:
            if above == customer_id:
                return True
            key = above
        return False

    def n_purchases(self, key: str) -> int:
        """Return how many units of money the customer's churn state has seen spent."""
        state = self.customer(key)
        purchases = None if state is None else state.purchases
        return 0 if purchases is None else sum(entry.cents or 0 for entry in purchases.recent) // 100

    def customer(self, key: str) -> CustomerState | None:
        encoded = self.churn[self.place(key)].partition.states.get(key)
        return None if encoded is None else decode_state(encoded)

    def root(self, key: str) -> str:
        """Return the customer that the id's links lead to."""
        seen: list[str] = []
        while above := self.links(key).merged_into:
            assert key not in seen, f"a circle of links: {seen}"
            seen.append(key)
            key = above
        return key

    def _route(self, output: Output, own: int) -> None:
        number = self.place(output.key) if output.is_rerouted else own
        if output.topic is INTERACTIONS:
            self.sentiment[number].append(output.key, output.value, output.headers)
        elif output.topic is ENRICHED:
            self.churn[number].append(output.key, output.value, output.headers)
            self._note(output.value or b"")
        elif output.topic is IDENTITIES:
            self.unread_owners.append((output.key, output.value))
        elif output.topic is CHURN_ALERTS:
            self.alerts.append(output.value or b"")

    def _note(self, value: bytes) -> None:
        if b'"identity.conflicted"' in value:
            told = _notice.decode(value)
            if isinstance(told, LinkConflicted):
                self.conflicts.add((told.linked_id, told.owner_id, told.claimant_id))
