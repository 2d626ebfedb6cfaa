"""The customer's state: codec, memory of deliveries, merge, size."""

from services.churn_alerts.alert.rules import DEFAULT
from services.churn_alerts.backtest.plan import GAPS_PER_HORIZON
from services.churn_alerts.customer.checks import Look, View, answer
from services.churn_alerts.customer.in_force import InForce, ReadDocuments
from services.churn_alerts.customer.outlook import risk_of
from services.churn_alerts.customer.state import (
    CustomerState,
    decode_state,
    encode_state,
    fingerprint_of,
    merge,
    new_state,
)
from shared.clock import from_ms
from shared.contracts.codec import encode
from shared.kafka.controls import Controls
from tests.factories.churn_log import Heard, at, complaint, decided, regular, survey


def state_after(entries: list[Heard]) -> CustomerState:
    state = decided(entries).state("a")
    assert state is not None
    return state


def busy_customer() -> list[Heard]:
    entries = [*regular("a", 40, 9), *(complaint("a", at(40 * n, 5)) for n in range(6))]
    entries.append((survey("a", at(100), "nps", 3, 10), None))
    return sorted(entries, key=lambda entry: entry[0].occurred_at)


def test_state_survives_its_encoding() -> None:
    state = state_after(busy_customer())

    assert decode_state(encode_state(state)) == state


def test_typical_state_is_under_one_kilobyte() -> None:
    usual_gap_days = round(DEFAULT.purchases.horizon_days / GAPS_PER_HORIZON)

    assert len(encode_state(state_after(regular("a", 40, usual_gap_days)))) <= 1_024


def test_deliveries_of_the_newest_day_are_remembered_however_many() -> None:
    state = new_state(5)
    prints = [fingerprint_of("s", f"e{n}") for n in range(500)]

    assert not any(state.has_seen(print_, 5) for print_ in prints)
    assert all(state.has_seen(print_, 5) for print_ in prints)


def test_a_fingerprint_that_only_lies_across_two_others_is_new() -> None:
    state = new_state(5)
    state.has_seen(b"abcdefgh", 5)
    state.has_seen(b"ijklmnop", 5)

    assert not state.has_seen(b"efghijkl", 6)
    assert state.has_seen(b"ijklmnop", 6)


def test_last_deliveries_of_earlier_days_are_remembered() -> None:
    state = new_state(5)
    for n in range(8):
        state.has_seen(fingerprint_of("s", f"e{n}"), 5)

    state.has_seen(fingerprint_of("s", "next day"), 6)

    assert all(state.has_seen(fingerprint_of("s", f"e{n}"), 5) for n in range(8))


def test_merge_joins_what_two_identities_did() -> None:
    entries = busy_customer()
    whole = state_after(entries)

    joined = merge(state_after(entries[::2]), state_after(entries[1::2]))

    assert joined.purchases is not None and whole.purchases is not None
    assert joined.purchases.n_days == whole.purchases.n_days
    assert joined.purchases.last_day == whole.purchases.last_day
    assert joined.signals.complaints == whole.signals.complaints
    assert joined.signals.orders == whole.signals.orders
    assert decode_state(encode_state(joined)) == joined


def test_a_risk_is_the_same_bytes_whether_or_not_the_state_was_read_back() -> None:
    purchases = state_after(regular("a", 20)).purchases
    assert purchases is not None
    [view] = answer([Look(purchases, "orders", 5)], InForce(Controls([]), ReadDocuments()))
    assert isinstance(view, View)

    currencies = ("USD", b"USD".decode())
    told = [encode(risk_of(view, purchases, from_ms(0), "gold", currency, "orders")) for currency in currencies]

    assert told[0] == told[1]
