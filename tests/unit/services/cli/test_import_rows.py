"""Rows of a file become events with ids that the same file gives again."""

from collections.abc import Mapping
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from services.cli.import_rows import InteractionColumns, OrderColumns, Row, RowIds, interaction_event, order_event
from shared.errors import Reject


def order(ids: RowIds | None = None, values: Mapping[str, str] | None = None) -> dict[str, object]:
    row = Row(2, {"customer_id": "c", "time": "2017-01-01 11:53:26", "amount": "0.5", **(values or {})})
    return order_event(row, OrderColumns(), ids or RowIds(), source="import", currency="USD", zone=UTC)


def test_order_row_becomes_an_order() -> None:
    event = order()

    assert (event["type"], event["occurred_at"], event["amount"]) == ("order.placed", "2017-01-01T11:53:26Z", "0.5")


def test_same_rows_get_the_same_ids_again() -> None:
    first, second = RowIds(), RowIds()

    assert [order(first)["id"], order(first)["id"]] == [order(second)["id"], order(second)["id"]]


def test_equal_rows_stay_two_orders() -> None:
    ids = RowIds()

    assert order(ids)["id"] != order(ids)["id"]


def test_return_row_becomes_a_return() -> None:
    assert order(values={"event": "return"})["type"] == "order.returned"


def test_time_without_zone_is_in_the_given_zone() -> None:
    row = Row(2, {"customer_id": "c", "time": "2026-11-22 08:00", "amount": "1"})
    zone = ZoneInfo("Asia/Shanghai")

    event = order_event(row, OrderColumns(), RowIds(), source="s", currency="CNY", zone=zone)

    assert event["occurred_at"] == "2026-11-22T00:00:00Z"


@pytest.mark.parametrize(
    ("column", "value"),
    [("amount", "NaN"), ("amount", "a"), ("time", "yesterday"), ("customer_id", " "), ("event", "refund?")],
)
def test_bad_row_is_rejected_with_its_column(column: str, value: str) -> None:
    with pytest.raises(Reject) as caught:
        order(values={column: value})

    assert caught.value.pointer == column


def test_interaction_row_defaults_to_an_inbound_chat() -> None:
    row = Row(2, {"customer_id": "c", "time": "2026-11-22", "text": "嗯"})

    event = interaction_event(row, InteractionColumns(), RowIds(), source="s", zone=UTC)

    assert (event["channel"], event["direction"], event["text"]) == ("chat", "inbound", "嗯")


def test_an_amount_with_a_decimal_comma_is_refused_saying_how_amounts_are_written() -> None:
    row = Row(2, {"customer_id": "c", "time": "2026-11-22 08:00", "amount": "12,50"})

    with pytest.raises(Reject, match=r"'12,50' is not a number; amounts are written like 1234\.50"):
        order_event(row, OrderColumns(), RowIds(), source="s", currency="EUR", zone=UTC)
