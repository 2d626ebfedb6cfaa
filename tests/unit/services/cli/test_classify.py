"""`pulseline classify` and `pulseline sentiment`, as a person calls them."""

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from services.cli.classify import classify
from services.cli.sentiment import app as sentiment

app = typer.Typer()
app.command()(classify)
runner = CliRunner()


def classified(text: str, *options: str) -> list[dict[str, object]]:
    result = runner.invoke(app, ["-", *options], input=text)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_one_line_in_gives_one_line_out_in_order() -> None:
    lines = classified("great!\n\n物流太慢了，垃圾\n")

    assert [line["label"] for line in lines] == ["positive", "neutral", "negative"]
    assert set(lines[0]) == {"label", "score", "probabilities", "language", "aspects", "complaint", "urgency"}


def test_json_lines_are_read_by_their_text() -> None:
    lines = classified('{"text": "great!", "id": 7}\n{}\n', "--jsonl")

    assert [line["label"] for line in lines] == ["positive", "neutral"]


def test_bad_json_lines_are_answered_in_their_place() -> None:
    given = b'{"text": "great!"}\n{oops\n{"text": 5}\n\xff\n{"text": "terrible"}\n'

    result = runner.invoke(app, ["-", "--jsonl"], input=given)

    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line.get("label", line.get("line")) for line in lines] == ["positive", 2, 3, 4, "negative"]
    assert "$.text" in lines[2]["error"]
    assert "3 lines could not be read" in result.stderr
    assert result.exit_code == 1


def test_bytes_that_are_no_utf8_are_still_judged() -> None:
    result = runner.invoke(app, ["-"], input=b"\xff\xfe bad \xe9\n")

    assert result.exit_code == 0


def test_a_file_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("great!\n", encoding="utf-8")

    result = runner.invoke(app, [str(tmp_path / "texts.txt")])

    assert json.loads(result.stdout)["label"] == "positive"


def test_own_rows_are_measured_and_the_page_is_written(tmp_path: Path) -> None:
    rows, page = tmp_path / "rows.jsonl", tmp_path / "report.html"
    rows.write_text('{"text": "great!", "label": "positive"}\n', encoding="utf-8")

    result = runner.invoke(sentiment, ["evaluate", "--rows", str(rows), "--html", str(page)])

    assert result.exit_code == 0
    assert "1.000" in result.stdout
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_training_on_nothing_is_refused() -> None:
    assert runner.invoke(sentiment, ["train"]).exit_code == 2


def test_reasons_are_shown_for_a_text() -> None:
    result = runner.invoke(sentiment, ["explain", "terrible delivery"])

    assert "terrible" in result.stdout
