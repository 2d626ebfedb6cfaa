"""What a person gets wrong on the command line is answered by a sentence and a status, never by a traceback."""

import gzip
from pathlib import Path

import pytest

from services.cli.main import main
from tests.factories.purchase_log import as_csv, purchase_log

BINARY = bytes(range(128, 256)) * 20
HEAD = b"customer_id,time,amount\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "empty": b"",
        "head.csv": HEAD,
        "binary.csv": BINARY,
        "binary.bin": BINARY,
        "cut.csv.gz": gzip.compress(HEAD + b"c1,2026-01-01,1\n")[:-9],
        "labels.csv": b"text,label\ngood,positive\nbad,awful\n",
        "open.csv": HEAD + b'c1,2026-01-01,1\n"c2,2026-01-01,1\n' + b"c3,2026-01-02,1\n" * 40,
        "orders.csv": as_csv(purchase_log(60, 260)).encode(),
        "book.xlsx": b"PK\3\4" + bytes(26) + b"[Content_Types].xml",
        "other.csv": b"foo,bar\n1,2\n",
    }.items():
        Path(name).write_bytes(content)


SENDING = "--url http://127.0.0.1:1 --api-key k"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("status --state-dir empty", "'empty' is a file"),
        ("up --state-dir empty", "'empty' is a file"),
        ("up --database mysql://host/x", "a database address starts with postgresql://"),
        ("up --log-level loud", "'loud' is not one of 'debug', 'info'"),
        ("replay absent --out o", "file 'absent' does not exist"),
        ("replay empty --out absent/o", "there is no folder absent"),
        ("replay empty --out o --until soon", "'soon' is no instant such as"),
        ("replay empty --out o --model binary.bin", "not a sentiment model"),
        ("classify empty --model absent", "cannot read the sentiment model"),
        ("sentiment explain great --model binary.bin", "not a sentiment model"),
        ("sentiment train --rows empty", "empty has no labelled texts"),
        ("sentiment train --rows binary.csv", "binary.csv is no text in UTF-8"),
        ("sentiment evaluate --rows labels.csv", "labels.csv: line 3: label 'awful'"),
        ("sentiment evaluate --rows head.csv", "head.csv has no labelled texts"),
        ("simulate rehearse --truth absent", "absent: No such file or directory"),
        (f"import orders head.csv {SENDING}", "head.csv has no rows"),
        (f"import orders other.csv {SENDING}", "it has: foo, bar"),
        (f"import orders binary.csv {SENDING}", "binary.csv is no text in UTF-8"),
        (f"import orders cut.csv.gz {SENDING}", "cut.csv.gz is damaged or cut off"),
        (f"import orders absent {SENDING}", "file 'absent' does not exist"),
        (f"import orders open.csv {SENDING}", "open.csv is no CSV: the quote that opens on line 3 never closes"),
        (f"import orders book.xlsx {SENDING}", "book.xlsx is an Excel workbook, not CSV: export it as CSV"),
        ("classify absent", "cannot read absent: No such file or directory; a text itself comes in by standard input"),
        ("backtest absent --out o", "file 'absent' does not exist"),
        ("backtest . --out o", "file '.' is a directory"),
        ("backtest head.csv --out o --interactions absent", "file 'absent' does not exist"),
        ("backtest orders.csv --out empty", "empty: File exists"),
        ("backtest open.csv --out o", "open.csv is no CSV: the quote that opens on line 3 never closes"),
        ("backtest book.xlsx --out o", "book.xlsx is an Excel workbook, not CSV: export it as CSV"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    line: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pulseline", *line.split()])
    monkeypatch.setenv("COLUMNS", "200")

    with pytest.raises(SystemExit) as ended:
        main()

    said = f"{ended.value.code} {capsys.readouterr().err}"
    assert ended.value.code not in (0, None)
    assert sentence in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("PULSELINE_PARTITION", "4", "unknown settings: PULSELINE_PARTITION"),
        ("PULSELINE_PARTITIONS", "many", "PULSELINE_PARTITIONS: Input should be a valid integer"),
        ("PULSELINE_DATABASE_URL", "mysql://host/x", "a database address starts with postgresql://"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pulseline", "prepare"])
    monkeypatch.setenv(variable, value)

    with pytest.raises(SystemExit, match=sentence):
        main()
