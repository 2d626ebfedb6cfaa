"""Columns of times as spreadsheets of several countries write them: one reading, or a refusal that says why."""

import pytest

from services.churn_alerts.backtest.amounts import UnclearColumn
from services.churn_alerts.backtest.times import Times, TimeSurvey

DAY = 20_088  # 2024-12-31


def settled(*values: str) -> Times:
    survey = TimeSurvey()
    for line, value in enumerate(values, start=2):
        survey.see(line, value)
    return Times(survey.settle())


@pytest.mark.parametrize(
    ("text", "day", "form"),
    [
        ("2024/12/31 9:05", DAY, "naive"),
        ("2024-12-31 17:00:00 +0000", DAY, "zoned"),
        ("2024-12-31 23:00:00 -0500", DAY + 1, "zoned"),
        ("2024年12月31日", DAY, "date"),
        ("2024年12月31日 下午 5:30", DAY, "naive"),
        ("31/12/2024", DAY, "date"),
        ("31/12/2024 08:30:00.123", DAY, "naive"),
        ("31.12.24 8:30", DAY, "naive"),
        ("31-12-2024", DAY, "date"),
        ("12/31/2024 11:30 PM", DAY, "naive"),
        ("12/31/2024 12:30 AM +02:00", DAY - 1, "zoned"),
        ("12/31/24", DAY, "date"),
        ("12/31/99", 10_956, "date"),
        ("31-Dec-2024 08:30", DAY, "naive"),
        ("December 31, 2024", DAY, "date"),
        ("Dec 31, 2024, 08:30 AM", DAY, "naive"),
        ("Tue, 31 Dec 2024 23:30:00 -0100", DAY + 1, "zoned"),
        ("1735603199", DAY - 1, "zoned"),
        ("1735689599", DAY, "zoned"),
        ("1735689599000", DAY, "zoned"),
        ("1735689599000000", DAY, "zoned"),
        ("1735689599000000000", DAY, "zoned"),
        ("20241231", DAY, "date"),
        ("20241231235959", DAY, "naive"),
    ],
)
def test_usual_forms_are_read(text: str, day: int, form: str) -> None:
    assert settled(text).day_of(text) == (day, form)


@pytest.mark.parametrize(
    ("values", "day"),
    [
        (["05/06/2024", "31/12/2024"], "2024-06-05"),
        (["05/06/2024", "12/31/2024"], "2024-05-06"),
        (["05.06.2024"], "2024-06-05"),
    ],
)
def test_the_whole_column_says_whether_the_day_comes_first(values: list[str], day: str) -> None:
    times = settled(*values)

    assert times.day_of(values[0]) == Times("year first").day_of(day)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["05/06/2024", "07/08/2024"], r"day or the month first \(line 2: '05/06/2024'\), and no value tells which"),
        (
            ["31/12/2024", "12/31/2024"],
            r"day first \(line 2: '31/12/2024'\), others the month \(line 3: '12/31/2024'\)",
        ),
        (["2024-12-01", "12/13/2024"], r"two ways \(line 3: '12/13/2024'; line 2: '2024-12-01'\)"),
    ],
)
def test_what_can_be_read_two_ways_is_refused(values: list[str], message: str) -> None:
    with pytest.raises(UnclearColumn, match=message):
        settled(*values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "'soon' is no date"),
        ("45657.35", "looks like a spreadsheet's day number"),
        ("2024-12-31", "'2024-12-31' is not written day first like the others"),
        ("12/31/2024", "not written day first like the others"),
        ("30/02/2024", "no date"),
        ("31/12/2024 25:00", "no date"),
        ("31 Foo 2024", "no date"),
        ("05-06-24", "no date"),
    ],
)
def test_a_few_values_written_otherwise_are_rejected_with_the_reason(text: str, message: str) -> None:
    times = settled(*["31/12/2024"] * 40, text)

    with pytest.raises(ValueError, match=message):
        times.day_of(text)
