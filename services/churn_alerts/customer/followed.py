"""A customer while a run or a wake-up is decided: his state as it changes, and the records he led to so far. Pure.

What changes him is in `decide.py` (events, wake-ups), `silence_check.py` and `signal_check.py` (alerts), `conclude.py`.
"""

from collections.abc import Generator, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from services.churn_alerts.alert.decide import Moment, cleared, raised, updated
from services.churn_alerts.customer.checks import Question
from services.churn_alerts.customer.in_force import Basis, InForce, Policy
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.state import CustomerState
from services.churn_alerts.signal.event import Event, Sentiment
from shared.contracts.alert import AlertBody, AlertRecord, ClearReason, Tier
from shared.contracts.identity import HistoryLeft, HistoryMoved
from shared.links import Erased, erasure
from shared.trace_headers import carried

Headers = Sequence[tuple[str, bytes]]
Answers = Generator[Question, Any, None]
"""Work on one customer that asks questions of the score and goes on with the answers."""


class Heard(Struct, frozen=True, gc=False, tag_field="type", tag="event.enriched"):
    """One event of the customer: what of an `EnrichedEvent` is used here; the rest is skipped unread.

    `linked_id` is whose history it adds to, if not the customer's own.
    """

    event: Event
    sentiment: Sentiment | None = None
    linked_id: str = ""


class Received(Protocol):
    """What of a record of the run is used here: what was `Heard` or a record about links, and how it came.

    `at_ms` is its own time, `now_ms` the partition's watermark after it.
    """

    @property
    def event(self) -> Any: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def now_ms(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def headers(self) -> Headers: ...


class SilenceCheck(Struct, frozen=True):
    """The risk at a wake-up of the silence that began on `spell_day`, and the policy it was compared with."""

    customer_id: str
    spell_day: int
    day: int
    tier: Tier
    p: float
    policy: Policy


class Said(Struct, frozen=True, gc=False):
    """What an alert says, and the first day on which time alone may change it."""

    body: AlertBody
    ends_day: int


class Followed(Struct, gc=False):
    """A customer while a run or a wake-up is decided. `state` is his own, decoded for this; None once he is erased.

    A Struct, because one is made for every customer of every run: a class of Python costs three times as much.
    """

    key: str
    state: CustomerState | None
    in_force: InForce
    # The newest erasure; `is_erased` when it is of this run.
    erased: Erased | None = None
    is_erased: bool = False
    records: tuple[AlertRecord, ...] = ()
    # Of each record: the trace and time of the event that led to it; nothing where time alone did.
    record_headers: tuple[Headers, ...] = ()
    # Histories on their way to other customers.
    sent: tuple[HistoryMoved | HistoryLeft, ...] = ()
    is_changed: bool = False
    # Whether a purchase or a wake-up changed what is to be said of the customer's risk.
    is_outlook_due: bool = False
    # Whether the next wake-up may have moved, as it may have whenever something is to be said or told.
    is_plan_due: bool = False
    now_ms: int = 0
    # What the newest check found, for those who watch capacity.
    check: SilenceCheck | None = None
    # The day whose end is judged, on a wake-up.
    woken_day: int | None = None
    # Those of the record that is being decided.
    headers: Headers = ()

    def running_silence(self) -> tuple[Basis, Purchases | None]:
        """Return what the customer's silence is measured on, and its state if there is one."""
        state = self.present()
        if state.purchases is not None and state.purchases.recent:
            return "orders", state.purchases
        return "contacts", state.contacts

    def raise_alert(
        self, alert_id: str, said: Said, policy: Policy, moment: Moment, *, is_silence: bool, clearable_from_ms: int
    ) -> None:
        state = self.present()
        state.alert, record = raised(
            self.key,
            alert_id,
            said.body,
            moment,
            rules_version=policy.version,
            is_silence=is_silence,
            clearable_from_ms=clearable_from_ms,
            ends_day=said.ends_day,
        )
        if state.parked is not None and state.parked.alert_id == alert_id:
            # It was told before and ended when he was joined to another: this is its next chapter.
            revision = state.parked.revision + 1
            state.alert, record = replace(state.alert, revision=revision), replace(record, revision=revision)
        state.parked = None
        self.tell(record)
        self.is_plan_due = True

    def update_alert(self, said: Said, moment: Moment, *, is_silence: bool) -> None:
        state = self.present()
        if state.alert is None:
            raise LookupError("no alert is open")
        state.alert, record = updated(
            self.key, state.alert, said.body, moment, is_silence=is_silence, ends_day=said.ends_day
        )
        self.tell(record)
        self.is_plan_due = True

    def clear_alert(self, reason: ClearReason, moment: Moment) -> None:
        state = self.present()
        if state.alert is None:
            raise LookupError("no alert is open")
        self.tell(cleared(self.key, state.alert, reason, moment))
        state.cleared_ms = max(moment.at_ms, state.alert.last_ms)
        state.alert = None
        self.is_plan_due = True

    def erase(self, erased: Erased) -> None:
        links = None if self.state is None else self.state.links
        self.state, self.erased, self.is_erased = None, erasure(erased, links, self.erased), True

    def tell(self, record: AlertRecord) -> None:
        """Keep a record to publish, under the trace of the event that led to it."""
        trace_id = _trace_id(self.headers)
        self.record_headers += (carried(self.headers),)
        self.records += (record if trace_id is None else replace(record, correlation_id=trace_id),)

    def present(self) -> CustomerState:
        if self.state is None:
            raise LookupError("the customer was erased")
        return self.state


def last_day_of(silence: Purchases) -> int:
    """Return the day on which the silence began; raises `ValueError` where nothing was ever heard."""
    if not silence.recent:
        raise ValueError("a silence begins with a purchase")
    return silence.recent[-1].day


def _trace_id(headers: Headers) -> str | None:
    """Return the trace id of a W3C traceparent header, 32 hex digits, if there is one."""
    for name, value in headers:
        if name == "traceparent":
            parts = value.decode("ascii", "replace").split("-")
            return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None
    return None
