"""`pulseline import` as a person calls it, before an ingest that takes or refuses everything."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from services.cli.import_ import app


class Ingest(ThreadingHTTPServer):
    """Takes every event of a currency it knows."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, Any]] = []
        self.most_events = 1_000


class _Handler(BaseHTTPRequestHandler):
    server: Ingest

    def do_POST(self) -> None:
        events = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
        if len(self.server.events) + len(events) > self.server.most_events:
            self.send_error(403)
            return
        bad = [number for number, event in enumerate(events) if event["currency"] == "MONEY"]
        self.server.events += [event for number, event in enumerate(events) if number not in bad]
        rejected = [{"index": number, "pointer": "/currency", "reason": "no currency"} for number in bad]
        body = msgspec.json.encode({"accepted": len(events) - len(bad), "rejected": rejected})
        self.send_response(422 if len(bad) == len(events) else 202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ingest]:
    monkeypatch.chdir(tmp_path)
    with Ingest() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def imported(ingest: Ingest, content: bytes, *options: str) -> Result:
    Path("orders.csv").write_bytes(content)
    url = f"http://127.0.0.1:{ingest.server_port}"
    return CliRunner().invoke(app, ["orders", "orders.csv", "--url", url, "--api-key", "k", *options])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_spreadsheets_export_is_imported(ingest: Ingest, encoding: str, delimiter: str) -> None:
    table = "customer_id,time,amount\n王五,2026-11-01,12\nc2,2026-11-02,13\n".replace(",", delimiter)

    result = imported(ingest, table.encode(encoding))

    assert result.exit_code == 0, result.output
    assert [event["customer"]["id"] for event in ingest.events] == ["王五", "c2"]


def test_an_export_in_windows_1252_is_refused_with_line_and_remedy(ingest: Ingest) -> None:
    result = imported(ingest, "customer_id,time,amount\nMüller,2026-11-01,12\n".encode("cp1252"))

    told = " ".join(result.output.replace("│", " ").split())
    assert result.exit_code == 2
    assert "line 2 is the first that is not" in told
    assert "Save it as CSV UTF-8" in told
    assert ingest.events == []


def test_amounts_with_decimal_commas_are_imported_as_what_they_are(ingest: Ingest) -> None:
    table = b"customer_id;time;amount\nc1;2026-11-01;12,50\nc2;2026-11-02;1.234,50\nc3;2026-11-03;1.234\n"

    result = imported(ingest, table)

    assert result.exit_code == 0, result.output
    assert [event["amount"] for event in ingest.events] == ["12.50", "1234.50", "1234"]


def test_amounts_that_can_be_read_in_two_ways_are_refused_with_their_lines(ingest: Ingest) -> None:
    result = imported(ingest, b"customer_id;time;amount\nc1;2026-11-01;12,50\nc2;2026-11-02;12.50\n")

    told = " ".join(result.output.replace("\u2502", " ").split())
    assert result.exit_code == 2
    assert "with decimal point (line 3: '12.50') and with decimal comma (line 2: '12,50')" in told
    assert ingest.events == []


def test_an_import_of_nothing_fails(ingest: Ingest) -> None:
    result = imported(ingest, b"customer_id,time,amount\nc1,2026-11-01,12\n", "--currency", "money")

    assert result.exit_code == 1
    assert Path("orders.csv.rejects.csv").read_text().splitlines()[1:] == ["2,/currency,no currency"]


def test_some_bad_rows_leave_an_import_a_success(ingest: Ingest) -> None:
    result = imported(ingest, b"customer_id,time,amount\nc1,2026-11-01,12\nc2,soon,12\n")

    assert result.exit_code == 0
    assert len(ingest.events) == 1


def test_an_import_that_goes_on_keeps_what_was_rejected_before_it_stopped(ingest: Ingest) -> None:
    rows = ("1,12,CNY", "2,x,CNY", "3,12,MONEY", "4,12,CNY", "5,y,CNY")
    table = "\n".join(["customer_id,time,amount,currency", *(f"c1,2026-11-0{row}" for row in rows)]).encode()
    ingest.most_events = 1
    stopped = imported(ingest, table, "--batch", "1")
    ingest.most_events = 1_000

    gone_on = imported(ingest, table, "--batch", "1")

    told = [row.split(",")[0] for row in Path("orders.csv.rejects.csv").read_text().splitlines()]
    assert (stopped.exit_code, gone_on.exit_code) == (1, 0)
    assert told == ["line", "3", "4", "6"]
    assert "3 rows rejected" in gone_on.output
