"""`pulseline backtest` from end to end on a small invented log: files, their columns, and messages a person can use."""

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.cli.backtest import backtest
from tests.factories.purchase_log import as_csv, purchase_log

app = typer.Typer()
app.command()(backtest)


def run(*arguments: str, columns: int = 200) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest")
    orders = folder / "orders.csv"
    orders.write_text(as_csv(purchase_log(60, 260)), encoding="utf-8")
    event = {
        "type": "ticket.opened", "id": "t1", "source": "desk", "occurred_at": "2024-07-20T10:00:00Z",
        "customer": {"id": "c00001"}, "ticket_id": "T1",
    }  # fmt: skip
    (folder / "events.ndjson").write_text(json.dumps(event) + "\nno event\n", encoding="utf-8")

    code, output = run(
        str(orders), "--out", str(folder / "out"), "--start", "2024-07-01", "--horizon", "28", "--capacity", "1/day",
        "--interactions", str(folder / "events.ndjson"),
    )  # fmt: skip

    assert code == 0, output
    assert "chosen from the data: lost_after, min_purchases" in output
    return folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_scores_have_one_row_a_customer_and_checkpoint(report: Path) -> None:
    scores = rows(report / "scores.csv")

    assert list(scores[0]) == ["customer_id", "alert_time", "score", "eligible"]
    assert len({(row["customer_id"], row["alert_time"]) for row in scores}) == len(scores)
    assert {row["alert_time"] for row in scores} >= {"2024-07-01", "2024-07-08"}
    assert {row["eligible"] for row in scores} == {"0", "1"}
    assert all(0 <= float(row["score"]) <= 1 for row in scores)


def test_nothing_is_cut_in_a_narrow_terminal(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(as_csv(purchase_log(40, 260)), encoding="utf-8")

    code, output = run(str(tmp_path / "orders.csv"), "--out", str(tmp_path / "out"), "--horizon", "28", columns=80)

    assert code == 0, output
    assert "│ fixed rule, half the window │" in output
    assert max(map(len, output.splitlines())) <= 80
    assert "…" not in output


def test_ids_that_csv_must_quote_come_back_whole(tmp_path: Path) -> None:
    odd = ["a,b", 'the "big" one', "two\nlines", "=1+1", "客户"]
    with (tmp_path / "orders.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("customer_id", "time"))
        writer.writerows((owner, f"2024-{month:02}-0{day}") for owner in odd for month in range(1, 9) for day in (1, 5))

    code, output = run(str(tmp_path / "orders.csv"), "--out", str(tmp_path / "out"), "--start", "2024-06-01")

    assert code == 0, output
    assert {row["customer_id"] for row in rows(tmp_path / "out" / "scores.csv")} == set(odd)


def test_alerts_are_written_in_order_of_time(report: Path) -> None:
    alerts = rows(report / "alerts.csv")

    assert list(alerts[0]) == ["customer_id", "alert_time", "score"]
    assert [row["alert_time"] for row in alerts] == sorted(row["alert_time"] for row in alerts)


def test_the_report_needs_no_network_and_speaks_both_languages(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")

    assert "http://" not in page and "https://" not in page
    assert "What you would have seen" in page and "您本会看到的预警" in page
    assert page.count("<svg") == 7


def test_the_figures_name_their_options(report: Path) -> None:
    figures = json.loads((report / "report.json").read_text(encoding="utf-8"))

    assert figures["options"]["start"] == "2024-07-01"
    assert figures["options"]["horizon_days"] == 28
    assert figures["options"]["capacity_per_day"] == 1.0
    assert (figures["contacted"]["n_events"], figures["contacted"]["n_rejected"]) == (2, 1)
    assert [rule["name"] for rule in figures["rules"]][:2] == ["pulseline", "fixed_rule"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--start", "soon"], "no date such as"),
        (["--capacity", "many"], "no number of alerts"),
        (["--start", "2031-01-01"], "span 2024-01-01 to 2024-03-01"),
    ],
)
def test_wrong_options_are_explained(tmp_path: Path, arguments: list[str], message: str) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("customer_id,time\na,2024-01-01\na,2024-03-01\n", encoding="utf-8")

    code, output = run(str(orders), "--out", str(tmp_path / "out"), *arguments)

    assert code == 2
    assert message in output


def test_an_unreadable_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("who,when\na,2024-01-01\n", encoding="utf-8")

    code, output = run(str(tmp_path / "orders.csv"), "--out", str(tmp_path / "out"))

    assert code == 2
    assert "no column customer_id and time" in output


def test_what_was_read_otherwise_than_it_may_be_meant_is_told(tmp_path: Path) -> None:
    table = as_csv(purchase_log(40, 260)).splitlines()[1:]
    cells = [line.split(",") for line in table]
    text = "".join(f"{c[0]};{c[1][8:10]}/{c[1][5:7]}/{c[1][:4]};[x];1,50 EUR\n" for c in cells)
    (tmp_path / "orders.csv").write_text(
        f"customer_id;time;Note;Amount\n{text};31/01/2024;guest;2,00 EUR\n", encoding="utf-8"
    )

    code, output = run(str(tmp_path / "orders.csv"), "--out", str(tmp_path / "out"), "--horizon", "28")

    assert code == 0, output
    assert "dates read day first; amounts with decimal comma, EUR" in output
    assert "columns not used: Note" in output
    assert "1 row without a customer left out" in output
    figures = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert (figures["data"]["date_order"], figures["data"]["decimal_sign"]) == ("day first", ",")
    assert "日期按日在前读取；金额按小数逗号读取，EUR" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
