"""Order files as companies export them."""

import gzip
from pathlib import Path

import pytest

from services.churn_alerts.backtest.amounts import AmountForm
from services.churn_alerts.backtest.orders import Orders, Repeats, UnreadableOrders, read_orders

DAY = 19_723  # 2024-01-01
HEAD = b"customer_id,time,note\n"
ROWS = b"c,2024-01-02,x\n" * 400


def read(folder: Path, text: str | bytes) -> Orders:
    path = folder / "orders.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_orders(path)


@pytest.mark.parametrize(
    ("time", "day", "form"),
    [
        ("2024-01-01", DAY, "date"),
        ("2024/01/01", DAY, "date"),
        ("20240101", DAY, "date"),
        ("2024-01-01 23:59:59", DAY, "naive"),
        ("2024-01-01T10:00", DAY, "naive"),
        ("2024-01-01T10:00:00.123456", DAY, "naive"),
        ("2024-01-01T23:30:00Z", DAY, "zoned"),
        ("2024-01-01T23:30:00-05:00", DAY + 1, "zoned"),
        ("2024-01-01 01:30:00+08:00", DAY - 1, "zoned"),
        ("2024-01-01 10:00:00 UTC", DAY, "zoned"),
    ],
)
def test_times_are_utc_days(tmp_path: Path, time: str, day: int, form: str) -> None:
    orders = read(tmp_path, f"customer_id,time,amount\na,{time},5\n")

    assert list(orders.purchases["a"]) == [day]
    assert orders.time_form == form


def test_event_and_amount_may_be_missing(tmp_path: Path) -> None:
    orders = read(tmp_path, "time,customer_id\n2024-01-01,a\n2024-01-03,a\n")

    assert orders.purchases == {"a": {DAY: None, DAY + 2: None}}
    assert orders.n_without_amount == 2


def test_returns_and_negative_amounts_are_returns(tmp_path: Path) -> None:
    text = "customer_id,time,event,amount\na,2024-01-01,purchase,9\na,2024-01-05,return,9\na,2024-01-06,,-3\n"

    orders = read(tmp_path, text)

    assert orders.returns == {"a": [DAY + 4, DAY + 5]}
    assert orders.n_negative_amounts == 1


@pytest.mark.parametrize(
    ("head", "rows", "cents", "repeats"),
    [
        ("customer_id,time,order_id,amount", ["a,2024-01-01,7,5"] * 2, 500, Repeats(n_dropped=1)),
        ("customer_id,time,order_id,amount", ["a,2024-01-01,7,5", "a,2024-01-01,8,5"], 1000, Repeats()),
        ("customer_id,time,amount", ["a,2024-01-01T10:00:00Z,5"] * 3, 500, Repeats(n_dropped=2)),
        ("customer_id,time,amount", ["a,2024-01-01T10:00:00Z,5", "a,2024-01-01T10:00:01Z,5"], 1000, Repeats()),
        # Lines of a basket, of which two are equal.
        ("customer_id,time,order_id,amount", [f"a,2024-01-01,7,{n}" for n in (5, 3, 5)], 1300, Repeats(n_kept=1)),
        ("customer_id,time,amount", [f"a,2024-01-01 10:00,{n}" for n in (5, 3, 5)], 1300, Repeats(n_kept=1)),
        # Nothing tells one from the other.
        ("customer_id,time,amount", ["a,2024-01-01,5"] * 2, 1000, Repeats(n_kept=1)),
        ("customer_id,time,order_id,amount", ["a,2024-01-01,,5"] * 2, 1000, Repeats(n_kept=1)),
    ],
)
def test_a_repeated_order_counts_once_and_equal_lines_count_each(
    tmp_path: Path, head: str, rows: list[str], cents: int, repeats: Repeats
) -> None:
    orders = read(tmp_path, "\n".join([head, *rows]))

    assert orders.purchases == {"a": {DAY: cents}}
    assert orders.repeats == repeats


def test_a_file_laid_over_itself_reads_like_the_file(tmp_path: Path) -> None:
    rows = [
        "a,2024-01-01T10:00:00Z,1,purchase,5",
        "a,2024-01-03T10:00:00Z,1,return,5",
        "b,2024-01-01T10:00:00Z,2,purchase,",
        "b,2024-01-04T10:00:00Z,3,,-2",
    ]
    head = "customer_id,time,order_id,event,amount"

    once, twice = (read(tmp_path, "\n".join([head, *rows * n])) for n in (1, 2))

    assert (twice.purchases, twice.returns) == (once.purchases, once.returns)
    assert twice.repeats == Repeats(n_dropped=4)


def test_baskets_of_a_day_add_up_whatever_the_row_order(tmp_path: Path) -> None:
    orders = read(tmp_path, "customer_id,time,amount\na,2024-01-02,1\na,2024-01-01,2.10\na,2024-01-01,0.90\n")

    assert [(owner, list(days)) for owner, days, _ in orders.customers()] == [("a", [(DAY, 300), (DAY + 1, 100)])]


def test_extra_columns_quotes_mark_and_header_case_do_not_matter(tmp_path: Path) -> None:
    text = '\ufeff"Customer_ID","note",TIME,Amount\r\n"a, Ltd.","said ""hi""",2024-01-01,"1,234.50"\r\n'

    orders = read(tmp_path, text)

    assert orders.purchases == {"a, Ltd.": {DAY: 123450}}


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_noticed(tmp_path: Path, delimiter: str) -> None:
    orders = read(tmp_path, f"customer_id{delimiter}time{delimiter}amount\na{delimiter}2024-01-01{delimiter}3\n")

    assert orders.purchases == {"a": {DAY: 300}}


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\nCustomer ID;Time;Amount\r\na;31.01.2024;1.234,50 €\r\n",
        'customer_id,time,amount\na,2024-01-31,"1234,50"\n',
        "\n\ncustomer-id,TIME, amount \na,1/31/2024 9:05 AM,1234.5\n",
    ],
)
def test_an_order_reads_the_same_however_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    orders = read(tmp_path, text)

    assert orders.purchases == {"a": {DAY + 30: 123450}}


@pytest.mark.parametrize("customer_id", ["NULL", "nan", " None ", r"\N"])
def test_what_databases_write_for_no_customer_is_no_customer(tmp_path: Path, customer_id: str) -> None:
    orders = read(tmp_path, f"customer_id,time\na,2024-01-31\n{customer_id},2024-01-31\n")

    assert (list(orders.purchases), orders.n_without_customer) == (["a"], 1)


def test_what_was_understood_is_told(tmp_path: Path) -> None:
    orders = read(tmp_path, "customer_id;time;amount;note\na;31.01.2024;1.234,50 €;x\n;31.01.2024;2,00 €;guest\n")

    assert (orders.date_order, orders.amount_form) == ("day first", AmountForm(",", "EUR"))
    assert (orders.columns_ignored, orders.n_without_customer, orders.n_rejected) == (["note"], 1, 0)


def test_a_comma_in_an_amount_without_quotes_is_not_taken_for_a_further_column(tmp_path: Path) -> None:
    with pytest.raises(UnreadableOrders, match="line 2: 4 values under 3 names; a comma inside a value needs quotes"):
        read(tmp_path, "customer_id,time,amount\na,2024-01-01,11,77\n")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a;01/02/2024;5\nb;02/02/2024;5\n", "day or the month first"),
        ("a;2024-01-01;1,234\nb;2024-02-01;5,678\n", "thousands or have three decimals"),
    ],
)
def test_a_column_that_can_be_read_two_ways_stops_the_run(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(UnreadableOrders, match=message):
        read(tmp_path, f"customer_id;time;amount\n{rows}")


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableOrders, match="two columns customer_id"):
        read(tmp_path, "Customer ID,customer_id,time\na,b,2024-01-01\n")


def test_gzip_and_chinese_legacy_encoding_are_read(tmp_path: Path) -> None:
    orders = read(tmp_path, gzip.compress("customer_id,time\n张三,2024-01-01\n".encode("gb18030")))

    assert list(orders.purchases) == ["张三"]


def test_bad_rows_are_told_by_line_and_good_ones_kept(tmp_path: Path) -> None:
    good = "".join(f"c{n},2024-01-01\n" for n in range(60))

    orders = read(tmp_path, f"customer_id,time\n{good}x,yesterday\ny,2024-01-01,left over\n")

    assert len(orders.purchases) == 60
    assert [entry.line for entry in orders.rejected] == [62, 63]
    assert "yesterday" in orders.rejected[0].reason


def test_too_many_bad_rows_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(UnreadableOrders, match="1 of 2 rows"):
        read(tmp_path, "customer_id,time\na,2024-01-01\nb,32.01.2024\n")


def test_a_missing_column_is_named_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(
        UnreadableOrders, match=r"no column time in orders\.csv; its first line names: customer_id, date"
    ):
        read(tmp_path, "customer_id,date\na,2024-01-01\n")


def test_an_unknown_event_is_rejected_not_guessed(tmp_path: Path) -> None:
    rows = "".join(f"c{n},2024-01-01,purchase\n" for n in range(30))

    orders = read(tmp_path, f"customer_id,time,event\n{rows}x,2024-01-01,browse\n")

    assert orders.n_rejected == 1
    assert "browse" in orders.rejected[0].reason


def test_utf_16_as_spreadsheets_save_it_is_read(tmp_path: Path) -> None:
    orders = read(tmp_path, "customer_id\ttime\n客户\t2024-01-01\n".encode("utf-16"))

    assert list(orders.purchases) == ["客户"]


def test_amounts_are_counted_by_the_currency_a_column_names(tmp_path: Path) -> None:
    rows = "a,2024-01-01,5,eur\na,2024-01-02,,usd\nb,2024-01-03,7, USD \nb,2024-01-04,8,EUR\n"

    orders = read(tmp_path, f"customer_id,time,amount,currency\n{rows}")

    assert orders.n_in_currency == {"EUR": 2, "USD": 1}
    assert orders.columns_ignored == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"customer_id,time\n" + b"a,2024-01-01\n" * 9_000)[:60], "damaged or cut off"),
        (b"\x1f\x8bnot gzip at all", "damaged or cut off"),
        (b"customer_id,time\na\xff\xff,2024-01-01\n", "no text in UTF-8, UTF-16 or GB 18030"),
        ("customer_id,time\nMüller,2024-01-01\n".encode("cp1252"), "line 2 .* 'Müller.*Save it as CSV UTF-8"),
        (b'customer_id,time\n"' + b"a" * 200_000 + b'",2024-01-01\n', "no CSV: field larger than .* on line 2"),
        (HEAD + b'a,2024-01-01,x\nb,2024-01-01,"x\n' + ROWS, "no CSV: the quote that opens on line 3 never closes"),
        (HEAD + ROWS + b'b,2024-01-01,"x\n' + ROWS * 100, "no CSV: the row that begins on line 402 opens a quote"),
        (gzip.compress(b'{"orders": []}'), "orders.csv is JSON, not CSV: export it as CSV"),
    ],
    ids=["cut off", "no gzip", "no text", "windows-1252", "huge field", "open quote", "far open quote", "json"],
)
def test_what_is_no_order_file_is_explained(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UnreadableOrders, match=message):
        read(tmp_path, content)


def test_lines_are_those_of_the_file_despite_breaks_inside_quotes(tmp_path: Path) -> None:
    good = "".join(f"c{number},2024-01-01,x\n" for number in range(40))

    orders = read(tmp_path, f'customer_id,time,note\na,2024-01-01,"two\nlines"\na,soon,x\na,1999-12-31,x\n{good}')

    assert [rejected.line for rejected in orders.rejected] == [4, 5]


def test_a_clock_that_no_day_has_is_a_bad_time(tmp_path: Path) -> None:
    good = "c,2024-01-01 23:59\n" * 40

    orders = read(tmp_path, f"customer_id,time\na,2024-01-01 99:99\nb,2024-01-01 24:00:00\n{good}")

    assert list(orders.purchases) == ["c"]
    assert [(rejected.line, rejected.reason[:23]) for rejected in orders.rejected] == [
        (2, "time '2024-01-01 99:99'"),
        (3, "time '2024-01-01 24:00:"),
    ]


def test_days_far_from_all_others_are_rejected_even_when_they_are_of_different_kinds(tmp_path: Path) -> None:
    rows = [f"c{n},2024-01-{n % 28 + 1:02},5" for n in range(2_800)]
    strays = ["a,1900-01-01,5", "b,1970-01-01,5", "c1,2099-12-31,5"]

    orders = read(tmp_path, "customer_id,time,amount\n" + "\n".join([*strays, *rows]) + "\n")

    days = {day for known in orders.purchases.values() for day in known}
    assert (min(days), max(days)) == (DAY, DAY + 27)
    assert orders.n_rejected == 3
    assert sorted(entry.line for entry in orders.rejected) == [2, 3, 4]
