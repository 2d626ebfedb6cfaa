"""Alerts over HTTP on real parts: pages, the live stream across processes and breaks, what people do to alerts."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx2
import pytest

from tests.factories.records import NOON, raised, updated
from tests.integration.api.conftest import Api
from tests.loopback import LOOPBACK
from tests.waiting import eventually

pytestmark = pytest.mark.integration
ALERTS = "churn.alerts"


class StreamReader:
    """Reads a stream in a thread; `ids` and `data` hold what came."""

    def __init__(self, url: str, key: str, *, after: int | None = None, query: str = "") -> None:
        self.ids: list[int] = []
        self.data: list[dict[str, object]] = []
        self.arrived: list[float] = []
        headers = {"Authorization": f"Bearer {key}"} | ({} if after is None else {"Last-Event-ID": str(after)})
        self._client = httpx2.Client(timeout=30, **LOOPBACK)
        self._response = self._client.send(
            self._client.build_request("GET", f"{url}/v1/alerts/stream{query}", headers=headers), stream=True
        )
        assert self._response.status_code == 200
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for line in self._response.iter_lines():
                if line.startswith("id: "):
                    self.ids.append(int(line[4:]))
                elif line.startswith("data: "):
                    self.arrived.append(time.monotonic())
                    self.data.append(json.loads(line[6:]))
        except (httpx2.TransportError, httpx2.StreamError):
            return

    def close(self) -> None:
        self._client.close()
        self._thread.join(5)


@contextmanager
def stream(url: str, key: str, **options: object) -> Iterator[StreamReader]:
    reader = StreamReader(url, key, **options)  # type: ignore[arg-type]  # handed through
    try:
        yield reader
    finally:
        reader.close()


def test_pages_hold_every_alert_once_newest_first(api: Api) -> None:
    api.publish(ALERTS, *(raised(f"a{n:03}", f"c{n % 5}") for n in range(25)), raised("h1", is_historical=True))
    api.wait_projected()

    seen, cursor = [], None
    while True:
        page = api.get("/v1/alerts", limit=10, historical=False, **({"cursor": cursor} if cursor else {}))
        seen += [alert["alert_id"] for alert in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break

    assert seen == [f"a{n:03}" for n in reversed(range(25))]
    assert [a["alert_id"] for a in api.get("/v1/alerts", historical=True)["items"]] == ["h1"]
    assert api.get("/v1/alerts", severity="low")["items"] == []


def test_an_alert_arrives_live_and_history_does_not(api: Api) -> None:
    with stream(api.process.url, api.key) as reader:
        api.publish(ALERTS, raised("h1", is_historical=True), raised("a1"))
        eventually(lambda: reader.data)

    [event] = reader.data
    assert (event["type"], event["alert_id"]) == ("alert.raised", "a1")


@pytest.mark.slow
def test_nothing_is_lost_or_repeated_across_breaks_and_processes(api: Api) -> None:
    with api.make_process("second").start() as second:
        urls, seen = [api.process.url, second.url], list[int]()
        position = api.get("/v1/alerts")["last_event_id"]
        for turn in range(6):
            with stream(urls[turn % 2], api.key, after=position) as reader:
                api.publish(ALERTS, *(raised(f"a{turn}-{n}", f"c{n}") for n in range(40)))
                eventually(partial(_has, reader, 40 * turn + 20 - len(seen)))
            seen += reader.ids
            position = seen[-1]
        with stream(urls[0], api.key, after=position) as reader:
            eventually(lambda: len(seen) + len(reader.ids) == 240)
        seen += reader.ids

    assert seen == sorted(set(seen))
    assert len(seen) == 240


def test_a_filter_admits_only_what_it_names(api: Api) -> None:
    with stream(api.process.url, api.key, query="?severity=critical") as reader:
        api.publish(ALERTS, raised("a1", severity="low"), raised("a2", severity="critical"))
        eventually(lambda: reader.data)

    assert [event["alert_id"] for event in reader.data] == ["a2"]


def test_a_long_poll_gives_the_same_events(api: Api) -> None:
    position = api.get("/v1/alerts")["last_event_id"]
    api.publish(ALERTS, raised("a1"), raised("a2"))
    api.wait_projected()

    first = api.get("/v1/alerts/events", after=position, wait_s=5)
    second = api.get("/v1/alerts/events", after=first["last_event_id"], wait_s=0)

    assert {event["alert_id"] for event in first["items"]} == {"a1", "a2"}
    assert second["items"] == []


def _has(reader: StreamReader, count: int) -> bool:
    return len(reader.ids) >= count


def test_the_second_operator_gets_the_present_state(api: Api) -> None:
    api.publish(ALERTS, raised("a1"))
    api.wait_projected()

    first = api.post("/v1/alerts/a1/acknowledge", {"note": "mine"}, **{"If-Match": '"1"'})
    second = api.post("/v1/alerts/a1/resolve", {"resolution": "lost"}, **{"If-Match": '"1"'})

    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    assert second.status_code == 409
    assert second.headers["content-type"] == "application/problem+json"
    assert second.json()["present"]["status"] == "acknowledged"


def test_sending_a_command_twice_does_it_once(api: Api) -> None:
    api.publish(ALERTS, raised("a1"))
    api.wait_projected()

    answers = [api.post("/v1/alerts/a1/escalate", {}, **{"Idempotency-Key": "k1"}) for _ in range(2)]
    other = api.post("/v1/alerts/a1/escalate", {"note": "x"}, **{"Idempotency-Key": "k1"})

    assert [answer.json()["escalation_level"] for answer in answers] == [1, 1]
    assert answers[1].headers["idempotent-replay"] == "true"
    assert other.status_code == 422


def test_answers_to_idempotency_keys_are_forgotten_after_a_day(api: Api) -> None:
    api.publish(ALERTS, raised("a1"))
    api.wait_projected()
    for key in ("yesterday", "today"):
        api.post("/v1/alerts/a1/comment", {"text": key}, **{"Idempotency-Key": key})
    api.execute(
        """
        UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE idempotency_key = 'yesterday';
        UPDATE idempotency_keys SET created_at = now() - interval '23 hours' WHERE idempotency_key = 'today'
        """
    )

    api.post("/v1/alerts/a1/comment", {"text": "now"}, **{"Idempotency-Key": "now"})

    kept = api.rows("SELECT idempotency_key FROM idempotency_keys ORDER BY 1")
    assert [row["idempotency_key"] for row in kept] == ["now", "today"]


def test_a_bulk_action_decides_each_alert_on_its_own(api: Api) -> None:
    api.publish(ALERTS, raised("a1"), raised("a2"))
    api.wait_projected()
    api.post("/v1/alerts/a1/resolve", {"resolution": "saved"})

    answer = api.post("/v1/alerts/bulk", {"action": "acknowledge", "alert_ids": ["a1", "a2", "nobody"]})

    assert {item["alert_id"]: item["status"] for item in answer.json()["items"]} == {
        "a1": 409,
        "a2": 200,
        "nobody": 404,
    }


def test_every_step_is_in_the_history_and_every_write_in_the_audit_log(api: Api) -> None:
    api.publish(ALERTS, raised("a1"), updated("a1"))
    api.wait_projected()
    api.post("/v1/alerts/a1/comment", {"text": "called, no answer"})

    life = api.get("/v1/alerts/a1/events")["items"]
    audit = api.get("/v1/audit", target_id="a1")["items"]

    assert [event["type"] for event in life] == ["alert.raised", "alert.updated", "alert.commented"]
    assert [entry["action"] for entry in audit] == ["alert.comment"]


def test_history_cannot_be_rewritten(api: Api) -> None:
    api.publish(ALERTS, raised("a1", at=NOON))
    api.wait_projected()

    with pytest.raises(Exception, match="append-only"):
        api.rows("UPDATE alert_events SET type = 'x'")
