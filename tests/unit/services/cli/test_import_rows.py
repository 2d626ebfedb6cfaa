"""Rows of a file become events with ids that the same file gives again."""

from collections.abc import Mapping
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from services.churn_alerts.backtest.amounts import UnclearColumn
from services.cli.import_rows import (
    InteractionColumns,
    OrderColumns,
    Row,
    RowIds,
    decimal_sign,
    interaction_event,
    order_event,
    parse_amount,
)
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


@pytest.mark.parametrize("event", ["", "return"])
def test_a_row_of_less_than_nothing_is_a_return(event: str) -> None:
    made = order(values={"event": event, "amount": "-12.5", "order_id": "7"})

    assert (made["type"], made["amount"], made["id"]) == ("order.returned", "12.5", "7-return")


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


@pytest.mark.parametrize(
    ("written", "amount"),
    [("12,50", "12.50"), ("1.234,5", "1234.5"), ("-1 234 567,00", "-1234567.00"), ("7", "7"), ("0,005", "0.005")],
)
def test_an_amount_in_a_column_with_decimal_commas_is_the_number_it_means(written: str, amount: str) -> None:
    assert parse_amount(written, "amount", ",") == amount


@pytest.mark.parametrize("written", ["12.50", "1.23,4", "1,2,3", "1.234 567,0", "12,", "12,5O"])
def test_what_does_not_fit_the_decimal_comma_of_the_others_is_rejected(written: str) -> None:
    with pytest.raises(Reject, match="decimal comma of the others"):
        parse_amount(written, "amount", ",")


@pytest.mark.parametrize(
    ("amounts", "sign"),
    [
        (["12.50", "3"], "."),
        (["1.234", "2.500"], "."),
        (["12,50", "1.234", "1.234,00"], ","),
        (["1,234.50", "12.00"], "."),
        (["7", "0,5"], ","),
    ],
)
def test_a_column_tells_its_decimal_sign(amounts: list[str], sign: str) -> None:
    assert decimal_sign(enumerate(amounts, 2)) == sign


@pytest.mark.parametrize("amounts", [["1,250", "3,500"], ["12,50", "12.50"]])
def test_a_column_that_can_be_read_in_two_ways_is_not_guessed(amounts: list[str]) -> None:
    with pytest.raises(UnclearColumn):
        decimal_sign(enumerate(amounts, 2))


def test_an_amount_with_a_comma_among_decimal_points_is_refused_saying_how_amounts_are_written() -> None:
    with pytest.raises(Reject, match=r"'12,50' is not a number; amounts are written like 1234\.50"):
        order(values={"amount": "12,50"})
