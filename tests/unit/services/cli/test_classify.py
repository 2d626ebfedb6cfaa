"""`pulseline classify` and `pulseline sentiment`, as a person calls them."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
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


@pytest.mark.parametrize("options", [[], ["--jsonl"]])
def test_bytes_that_are_no_utf8_are_still_judged_and_told(options: list[str]) -> None:
    lines = [b'{"text": "great!"}', '{"text": "物流太慢了"}'.encode("gb18030"), b'{"text": "bad \xe9"}']

    result = runner.invoke(app, ["-", *options], input=b"\n".join(lines))

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert "2 lines not in UTF-8" in result.stderr


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "texts.gz"
    file.write_bytes(gzip.compress(b"great!\n") + gzip.compress(b"terrible, it broke\n"))

    result = runner.invoke(app, [str(file)])

    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["positive", "negative"]


def test_a_compressed_file_cut_off_is_told(tmp_path: Path) -> None:
    file = tmp_path / "texts.gz"
    file.write_bytes(gzip.compress(b"great!\n" * 10_000)[:-20])

    result = runner.invoke(app, [str(file)])

    assert result.exit_code == 2
    assert "damaged or cut off" in result.stderr


def test_json_lines_that_begin_with_a_byte_order_mark_are_read() -> None:
    result = runner.invoke(app, ["-", "--jsonl"], input=b'\xef\xbb\xbf{"text": "great!"}\r\n{"text": "great!"}\r\n')

    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first == second


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("options", [[], ["--jsonl"]])
def test_what_windows_saves_as_unicode_is_read(encoding: str, options: list[str]) -> None:
    texts = ["物流太慢了，垃圾", "great!" * 40_000]
    lines = [json.dumps({"text": text}, ensure_ascii=False) if options else text for text in texts]
    mark = "\ufeff" if encoding == "utf-16-be" else ""

    result = runner.invoke(app, ["-", *options], input=(mark + "\r\n".join(lines)).encode(encoding))

    judged = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["label"] for line in judged] == ["negative", "positive"]
    assert [line["language"] for line in judged] == ["zh", "en"]


def test_json_lines_as_python_writes_them_are_judged() -> None:
    given = b'{"text": "great! \\ud83d"}\n{"text": "great!", "rating": NaN}\n{"text": "great! \xff"}\n'

    result = runner.invoke(app, ["-", "--jsonl"], input=given)

    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["positive"] * 3
    assert result.exit_code == 0


def test_a_line_nested_too_deeply_leaves_its_neighbours_alone() -> None:
    deep = b'{"text": "great!", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"

    result = runner.invoke(app, ["-", "--jsonl"], input=deep + b'{"text": "great!"}\n')

    deep_line, good = (json.loads(line) for line in result.stdout.splitlines())
    assert deep_line == {"line": 1, "error": "JSON is nested too deeply"}
    assert good["label"] == "positive"


def test_lines_longer_than_a_read_come_out_whole_and_in_order() -> None:
    texts = ["great! " * 30_000, "", "terrible service", "great! " * 30_000 + "\r"]

    lines = classified("\n".join(texts))

    assert [line["label"] for line in lines] == ["positive", "neutral", "negative", "positive"]


def test_who_writes_line_by_line_is_answered_line_by_line() -> None:
    command = [sys.executable, "-m", "services.cli.main", "classify"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"great!\n")
        process.stdin.flush()

        answer = process.stdout.readline()

        process.stdin.close()
    assert json.loads(answer)["label"] == "positive"


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_closed_input_or_output_is_told_in_a_sentence(closed: str) -> None:
    command = f"{sys.executable} -m services.cli.main classify {closed}"

    result = subprocess.run(["/bin/sh", "-c", command], input="great!\n", capture_output=True, text=True, check=False)

    assert result.returncode == 2
    assert "is closed" in result.stderr


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
