"""`pulseline replay`: recorded events in, the same alerts out, however often and on however many partitions."""

import gzip
import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from services.churn_alerts.alert.rules import Rules
from services.cli.replay import replay
from shared.links import minted_id
from tests.factories.churn_log import at, message, published, regular, tick

pytestmark = pytest.mark.slow


@pytest.fixture
def events(tmp_path: Path) -> Path:
    said = [
        message(f"c{customer}", at(60, 3 * customer + n), "Terrible quality, it broke again. I want my money back.")
        for customer in range(3)
        for n in range(4)
    ]
    bought = [event for customer in range(6) for event, _ in regular(f"c{customer}", 8, 7, customer)]
    in_order = sorted([*said, *bought], key=lambda event: event.occurred_at)
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in in_order) + tick(at(200)) + b"\n")
    return path


def run(events: Path, *options: str) -> tuple[int, bytes, str]:
    app = typer.Typer()
    app.command()(replay)
    out = events.with_suffix(".alerts")
    result = CliRunner().invoke(app, [str(events), "--out", str(out), *options])
    return result.exit_code, out.read_bytes() if out.exists() else b"", result.output


def test_replay_gives_the_same_bytes_on_any_number_of_partitions(events: Path) -> None:
    wary = published(2, at(-1), Rules(least_p_leaving=0.0))
    events.write_bytes(wary + b"\n" + events.read_bytes())
    results = {run(events, "--partitions", partitions)[1] for partitions in ("1", "3", "12")}

    assert len(results) == 1
    alerts = [json.loads(line) for line in results.pop().splitlines()]
    assert {alert["type"] for alert in alerts} == {"alert.raised", "alert.updated", "alert.cleared"}
    assert {alert["customer_id"] for alert in alerts} == {f"c{customer}" for customer in range(6)}


def test_a_byte_order_mark_before_the_first_event_is_no_part_of_it(events: Path) -> None:
    plain = run(events)
    events.write_bytes(b"\xef\xbb\xbf" + events.read_bytes())

    assert run(events) == plain


def test_a_compressed_log_is_read_like_the_plain_one(events: Path) -> None:
    plain = run(events)
    events.write_bytes(gzip.compress(events.read_bytes()))

    assert run(events) == plain
    assert plain[1]


def test_a_compressed_log_that_is_cut_off_is_refused_whole(events: Path) -> None:
    events.write_bytes(gzip.compress(events.read_bytes())[:-100])

    code, written, said = run(events)

    assert (code, written) == (2, b"")
    assert "damaged or cut off" in said


def test_merges_and_links_give_the_same_bytes_on_any_number_of_partitions(tmp_path: Path) -> None:
    def said(number: int, day: int, customer: dict[str, object], **members: object) -> dict[str, object]:
        complaint = {"type": "interaction", "direction": "inbound", "text": "Terrible, it broke. Give me a refund."}
        at_day = (at(0) + timedelta(days=day, minutes=number)).isoformat()
        return {
            **(members or complaint), "id": str(number), "source": "s", "occurred_at": at_day, "customer": customer
        }  # fmt: skip

    lines = [
        said(100 * day + n, day, {"id": f"c{n}"} if day % 3 else {"handles": [f"tel:+86 138-0013-800{n}"]})
        for day in range(0, 60, 2)
        for n in range(8)
    ]
    lines += [
        said(20 + n, 10 + 2 * n, {"id": f"c{n}"}, type="customer.merged", from_id=f"c{n}", into_id=f"c{(n + 5) % 8}")
        for n in range(4)
    ]
    lines += [
        said(30 + n, 9 + n, {"id": f"c{n}", "handles": [f"tel:+861380013800{n}"]}, type="customer.identified")
        for n in range(6)
    ]
    lines += [said(40, 45, {"id": "c6"}, type="customer.erased")]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(json.dumps(line) for line in sorted(lines, key=lambda line: str(line["occurred_at"]))))

    results = {run(path, "--partitions", partitions) for partitions in ("1", "3", "12")}

    [(exit_code, alerts, told)] = results
    assert exit_code == 0, told
    assert len(alerts.splitlines()) > 8


def test_a_handle_is_its_customers_however_it_is_written(tmp_path: Path) -> None:
    text = "Terrible quality, it broke again. I want my money back."
    path = tmp_path / "events.ndjson"
    spellings = ["tel:+86 138-0013-8000", "tel:+8613800138000", "tel:+86 13800138000", "tel:+86-138-0013-8000"]
    lines = [
        {
            "type": "interaction", "id": str(n), "source": "s", "direction": "inbound", "text": text,
            "occurred_at": f"2026-01-01T10:0{n}:00Z", "customer": {"handles": [spelling]},
        }
        for n, spelling in enumerate(spellings)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))

    alerts = [json.loads(line) for line in run(path)[1].splitlines()]

    assert {alert["customer_id"] for alert in alerts} == {minted_id("tel:+8613800138000")}


def test_published_rules_are_lines_of_the_log(events: Path) -> None:
    deaf = Rules(
        silence_thresholds=dict.fromkeys(("new", "bronze", "silver", "gold", "platinum"), 1.0),
        signal_thresholds=dict.fromkeys(("new", "bronze", "silver", "gold", "platinum"), 20.0),
    )
    events.write_bytes(published(2, at(-1), deaf) + b"\n" + events.read_bytes())

    assert run(events)[1] == b""


def test_line_that_ingest_would_refuse_is_told_and_its_neighbours_count(events: Path) -> None:
    whole = run(events)[1]
    events.write_bytes(b'{"type":"order.placed"}\n' + events.read_bytes())

    exit_code, alerts, told = run(events)

    assert exit_code == 1 and "refused" in told
    assert alerts == whole


def test_later_order_of_a_handle_belongs_to_the_customer_it_was_linked_to(tmp_path: Path) -> None:
    linked = {"type": "customer.identified", "customer": {"id": "c0", "handles": ["tel:+8613800138000"]}}
    complaint = {"type": "interaction", "customer": {"handles": ["tel:+8613800138000"]}, "direction": "inbound"}
    text = "Terrible quality, it broke again. I want my money back."
    lines = [{**linked, "id": "0"}, *({**complaint, "id": str(n), "text": text} for n in range(1, 6))]
    path = tmp_path / "events.ndjson"
    stamped = [{**line, "source": "s", "occurred_at": f"2026-01-01T10:0{n}:00Z"} for n, line in enumerate(lines)]
    path.write_text("\n".join(json.dumps(line) for line in stamped))

    alerts = [json.loads(line) for line in run(path)[1].splitlines()]

    assert alerts and {alert["customer_id"] for alert in alerts} == {"c0"}
