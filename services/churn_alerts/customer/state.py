"""What the processor keeps of one customer, its codec, and the merge of two identities; mostly under 1 KB of JSON."""

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from services.churn_alerts.alert.decide import OpenAlert
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import at_horizon
from services.churn_alerts.customer.purchases import merge as merge_purchases
from services.churn_alerts.signal.state import SignalState
from services.churn_alerts.signal.state import merge as merge_signals
from shared.links import Erased, Links

UNPLANNED: Final = -1
"""In `next_check`: the floor of the running silence has not been computed yet."""

DONE: Final = -2
"""In `next_check`: this silence has been alerted or lost; nothing is checked until the next purchase."""

NEVER: Final = -1

_HASH_BYTES: Final = 8
_empty_hash: Final = hashlib.blake2b(digest_size=_HASH_BYTES)
# Deliveries are repeated within minutes or hours, an event after another of the same day: the newest day is kept whole
# up to an absurd number, of the days before a few.
_KEPT_TODAY: Final = 1_024
_KEPT_EARLIER: Final = 8


class ContactDays(Struct, frozen=True, array_like=True, gc=False):
    """On how many UTC days the customer got in touch, the first and the last of them."""

    n_days: int
    first_day: int
    last_day: int


class CustomerState(Struct, array_like=True, gc=False):
    """One customer. A copy may be changed; a state in the worker's hands is a value.

    Days are UTC days since 1970, times milliseconds since 1970. `clock_ms` is the customer's own time: his newest
    event. `next_check` is the silence (days) of the next check, UNPLANNED or DONE. `judged_day` is the last day whose
    end judged the signals. After imported history nothing is judged before `settle_ms`. `cleared_ms` is when his last
    alert ended. `told` is what was last said of his purchases and risk, to a hundredth: wake-ups do not repeat it.
    `contacts` is kept as if contacts were purchases while he has not bought; afterwards `contact_days` is enough.
    `seen_today` and `seen_earlier` are 8-byte hashes of (source, id): repeated deliveries change nothing.
    While others are joined to him, `own` and `parts` are each one's history for itself (joined.py), `alert_home` is
    whose alert the open one was; `parked` is an alert that ended because another was open when he was joined.
    """

    signals: SignalState
    clock_ms: int = 0
    purchases: Purchases | None = None
    contacts: Purchases | None = None
    contact_days: ContactDays | None = None
    next_check: int = UNPLANNED
    judged_day: int = NEVER
    settle_ms: int = 0
    alert: OpenAlert | None = None
    cleared_ms: int = 0
    is_disarmed: bool = False
    currency: str = "USD"
    merged_into: str = ""
    told: str = ""
    seen_day: int = NEVER
    seen_today: bytes = b""
    seen_earlier: bytes = b""
    links: Links | None = None
    own: "CustomerState | None" = None
    parts: "dict[str, CustomerState]" = {}
    alert_home: str = ""
    parked: OpenAlert | None = None

    def copied(self) -> "CustomerState":
        """Return a copy to change; parts are values and shared."""
        return replace(self, signals=replace(self.signals))

    def has_seen(self, fingerprint: bytes, day: int) -> bool:
        """Return whether an event of that fingerprint was applied lately; if not, remember it as applied."""
        today, earlier = self.seen_today, self.seen_earlier
        # Nearly all are new, and need no closer look. Not `in`: of bytes it first asks whether a number is looked for,
        # at the price of an exception.
        if (today.find(fingerprint) >= 0 and _holds(today, fingerprint)) or (
            earlier.find(fingerprint) >= 0 and _holds(earlier, fingerprint)
        ):
            return True
        if day == self.seen_day:
            self.seen_today = (today + fingerprint)[-_HASH_BYTES * _KEPT_TODAY :]
        elif day > self.seen_day:
            self.seen_earlier = (earlier + today)[-_HASH_BYTES * _KEPT_EARLIER :]
            self.seen_today = fingerprint
            self.seen_day = day
        else:
            self.seen_earlier = (earlier + fingerprint)[-_HASH_BYTES * _KEPT_EARLIER :]
        return False


def fingerprint_of(source: str, event_id: str) -> bytes:
    """Return 8 bytes that depend on (source, id) alone; two events of one customer collide once in 10¹⁶."""
    # A copy of an empty hash costs half of making one.
    hashed = _empty_hash.copy()
    hashed.update(f"{source}\x1f{event_id}".encode(errors="surrogatepass"))
    return hashed.digest()


def new_state(day: int) -> CustomerState:
    """Return the state of a customer first heard of on `day`."""
    return CustomerState(signals=SignalState(since_day=day))


def new_customer(day: int, erased: Erased | None) -> CustomerState:
    """Return the state of a customer first heard of on `day`, or again after an erasure."""
    state = new_state(day)
    if erased is not None:
        state.links = Links(erased=erased)
    return state


# The codec's own methods, because every event of a customer needs both.
encode_state: Final[Callable[[CustomerState], bytes]] = msgspec.json.Encoder().encode
decode_state: Final[Callable[[bytes], CustomerState]] = msgspec.json.Decoder(CustomerState).decode


def with_contact(contacts: ContactDays | None, day: int) -> ContactDays:
    """Return the contact days with one more contact; a day late and between known days is not counted again."""
    if contacts is None:
        return ContactDays(1, day, day)
    if contacts.first_day <= day <= contacts.last_day:
        return contacts
    return ContactDays(contacts.n_days + 1, min(contacts.first_day, day), max(contacts.last_day, day))


def merge(one: CustomerState, other: CustomerState) -> CustomerState:
    """Return the state of the customer that two identities turned out to be; `one` is the identity that stays.

    The running silence is planned and judged anew. What either keeps about links is left out, and the alert of `other`.
    """
    purchases = one.purchases or other.purchases
    if one.purchases is not None and other.purchases is not None:
        purchases = merge_purchases(one.purchases, at_horizon(other.purchases, one.purchases.horizon_days))
    contacts = one.contacts or other.contacts
    if one.contacts is not None and other.contacts is not None:
        contacts = merge_purchases(one.contacts, at_horizon(other.contacts, one.contacts.horizon_days))
    newest = max((one, other), key=lambda state: (state.clock_ms, state.currency))
    is_spell_known = (
        one.purchases is not None and purchases is not None and purchases.last_day == one.purchases.last_day
    )
    return CustomerState(
        signals=merge_signals(one.signals, other.signals),
        clock_ms=max(one.clock_ms, other.clock_ms),
        purchases=purchases,
        contacts=None if purchases is not None else contacts,
        contact_days=_merged_contact_days(one.contact_days, other.contact_days),
        next_check=DONE if is_spell_known and one.next_check == DONE else UNPLANNED,
        judged_day=max(one.judged_day, other.judged_day),
        settle_ms=max(one.settle_ms, other.settle_ms),
        alert=one.alert,
        cleared_ms=max(one.cleared_ms, other.cleared_ms),
        is_disarmed=one.is_disarmed,
        currency=newest.currency,
        seen_day=max(one.seen_day, other.seen_day),
        seen_today=one.seen_today + other.seen_today,
        seen_earlier=one.seen_earlier + other.seen_earlier,
    )


def _merged_contact_days(one: ContactDays | None, other: ContactDays | None) -> ContactDays | None:
    if one is None or other is None:
        return other if one is None else one
    # Days both got in touch are counted twice; with one of them rare, that is nearly right.
    return ContactDays(
        one.n_days + other.n_days, min(one.first_day, other.first_day), max(one.last_day, other.last_day)
    )


def _holds(hashes: bytes, fingerprint: bytes) -> bool:
    at = hashes.find(fingerprint)
    while at >= 0:
        if at % _HASH_BYTES == 0:
            return True
        at = hashes.find(fingerprint, at + 1)
    return False
