"""Columns of amounts as spreadsheets of several countries write them: one reading, or a refusal that says why."""

import pytest

from services.churn_alerts.backtest.amounts import AmountSurvey, NotPlain, PlainAmounts, UnclearColumn


def read(*values: str) -> list[int | None]:
    survey = AmountSurvey()
    for line, value in enumerate(values, start=2):
        survey.see(line, value)
    form = survey.settle()
    return [form.cents(value) for value in values]


@pytest.mark.parametrize(
    ("values", "cents"),
    [
        (["11,77", "5", "1.234,50"], [1177, 500, 123450]),
        (["$1,234.50", "-$3.00", "$ 2"], [123450, -300, 200]),
        (["1.234,50 EUR", "2,00 €"], [123450, 200]),
        (["1 234,50", "1\u00a0234,50", "1\u202f234,50\u00a0€"], [123450] * 3),
        (["CHF 1’234.50", "1'234.50"], [123450] * 2),
        (["¥1,200", "￥980"], [120000, 98000]),
        (["€1.200", "€30"], [120000, 3000]),
        (["₹1,00,000.50", "Rs. 20"], [10000050, 2000]),
        (["(12.50)", "12.50-", "\u221212.50", "+12.50"], [-1250, -1250, -1250, 1250]),
        (["1.234.567", "1.234"], [123456700, 123400]),
        (["0.250", "1.500", "12"], [25, 150, 1200]),
        (["1234.500", "1.500"], [123450, 150]),
        (["NULL", "", "n/a", "-", "7.5"], [None, None, None, None, 750]),
        (["1.5E+03", "7.5"], [150000, 750]),
        ([f"{n},000" for n in range(1, 11)] + ["950"], [n * 100_000 for n in range(1, 11)] + [95_000]),
        ([f"{n}.000" for n in range(1, 11)] + ["950"], [n * 100_000 for n in range(1, 11)] + [95_000]),
    ],
)
def test_a_column_that_can_be_read_one_way_only_is(values: list[str], cents: list[int | None]) -> None:
    assert read(*values) == cents


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1.50", "2,50"], r"decimal point \(line 2: '1.50'\) and with decimal comma \(line 3: '2,50'\)"),
        (["1,234", "5,678"], r"thousands or have three decimals \(line 2: '1,234'\)"),
        (["1.234", "5.678"], r"thousands or have three decimals \(line 2: '1.234'\)"),
        (["1.234", "5,678"], "thousands or have three decimals"),
        (["1,234", "56"], "thousands or have three decimals"),
        (["KWD 1.234", "KWD 5.678"], "thousands or have three decimals"),
        ([f"{n},000" for n in range(1, 11)] + ["950", "1500"], "thousands or have three decimals"),
        (["$5", "5 €"], r"several currencies \(line 2: '\$5'; line 3: '5 €'\): convert"),
    ],
)
def test_a_column_that_can_be_read_two_ways_is_refused(values: list[str], message: str) -> None:
    with pytest.raises(UnclearColumn, match=message):
        read(*values)


@pytest.mark.parametrize(
    ("stray", "message"),
    [
        ("2,50", "'2,50' does not fit the decimal point of the others"),
        ("12k", "'12k' is no number"),
        ("3 mio", "no number"),
        ("12%", "no number"),
        ("1,2,3", "does not fit"),
        ("12 34", "does not fit"),
        ("--5", "no number"),
        ("7 GBP", "another currency than the others, USD"),
    ],
)
def test_a_few_values_written_otherwise_are_rejected_not_guessed(stray: str, message: str) -> None:
    survey = AmountSurvey()
    for line, value in enumerate(["$1.50"] * 40 + [stray], start=2):
        survey.see(line, value)

    with pytest.raises(ValueError, match=message):
        survey.settle().cents(stray)


def test_plain_amounts_are_read_at_once() -> None:
    amounts = PlainAmounts()

    assert [amounts.cents(text) for text in ("12", "1.234", "-3.5", " ", "nan", "1e400", "NULL")] == [
        1200, 123, -350, None, None, None, None,
    ]  # fmt: skip
    amounts.conclude()


@pytest.mark.parametrize("text", ["1,5", "$5", "soon"])
def test_plain_reading_stops_at_what_is_not_plain(text: str) -> None:
    with pytest.raises(NotPlain):
        PlainAmounts().cents(text)


def test_plain_reading_is_doubted_where_all_may_be_thousands() -> None:
    amounts = PlainAmounts()
    for text in ("1.234", "12", "12.500"):
        amounts.cents(text)

    with pytest.raises(NotPlain):
        amounts.conclude()
