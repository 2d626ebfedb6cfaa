"""Notifications on real parts: signed, in order, retried, never to a private address unless the operator said so."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import standardwebhooks

from services.api.alert.holdout import is_held_out
from tests.factories.records import raised, updated
from tests.integration.api.conftest import Api
from tests.waiting import eventually

pytestmark = pytest.mark.integration


class Receiver:
    """A receiver on loopback that refuses its first `n_refusals` requests, or sends everybody to `redirect_to`."""

    def __init__(self, n_refusals: int = 0) -> None:
        self.requests: list[tuple[dict[str, str], str]] = []
        self.n_refusals = n_refusals
        self.redirect_to: str | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                content = self.rfile.read(length)
                if len(content) < length:  # its sender was killed in the midst of it
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((headers, content.decode()))
                if receiver.redirect_to is not None:
                    self.send_response(307)
                    self.send_header("location", receiver.redirect_to)
                else:
                    self.send_response(503 if len(receiver.requests) <= receiver.n_refusals else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the base class names it

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving(n_refusals: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(n_refusals)
    try:
        yield receiver
    finally:
        receiver.close()


def add(api: Api, url: str, **fields: Any) -> dict[str, Any]:
    # Which alerts are held out hangs on their ids.
    body = {"name": "test", "kind": "webhook", "url": url, "includes_held_out": True} | fields
    answer = api.post("/v1/webhooks", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_an_alert_is_delivered_signed_and_history_is_not(api: Api) -> None:
    with receiving() as receiver:
        endpoint = add(api, receiver.url)
        api.publish("churn.alerts", raised("h1", is_historical=True), raised("a1"))
        eventually(lambda: receiver.requests)

    [(headers, content)] = receiver.requests
    assert standardwebhooks.Webhook(endpoint["secret"]).verify(content, headers)["data"]["alert_id"] == "a1"


def test_only_an_endpoint_that_asks_is_told_of_alerts_held_out(api: Api) -> None:
    held_out = next(f"a{number}" for number in range(1_000) if is_held_out(f"a{number}", 0.2))
    acted_on = next(f"a{number}" for number in range(1_000) if not is_held_out(f"a{number}", 0.2))
    with receiving() as receiver:
        silent = api.post("/v1/webhooks", {"name": "crm", "kind": "webhook", "url": receiver.url}).json()
        add(api, receiver.url)
        api.publish("churn.alerts", raised(held_out), raised(acted_on, "c2"))
        eventually(lambda: len(receiver.requests) == 3)
        deliveries = api.get(f"/v1/webhooks/{silent['id']}/deliveries")["items"]

    told = Counter(json.loads(content)["data"]["alert_id"] for _, content in receiver.requests)
    assert (silent["includes_held_out"], len(deliveries)) == (False, 1)
    assert told == {held_out: 1, acted_on: 2}


def test_a_refused_message_comes_again_with_its_id_before_the_customers_next_one(api: Api) -> None:
    with receiving(n_refusals=1) as receiver:
        add(api, receiver.url)
        api.publish("churn.alerts", raised("a1"), updated("a1"))
        eventually(lambda: len(receiver.requests) == 3, timeout_s=30)

    ids = [headers["webhook-id"] for headers, _ in receiver.requests]
    types = [json.loads(content)["type"] for _, content in receiver.requests]
    assert types == ["alert.raised", "alert.raised", "alert.updated"]
    assert ids[0] == ids[1] != ids[2]


def test_only_what_an_endpoint_asked_for_is_sent(api: Api) -> None:
    with receiving() as receiver:
        endpoint = add(api, receiver.url, event_types=["alert.raised"], severities=["critical"])
        api.publish("churn.alerts", raised("a1", severity="low"), raised("a2", severity="critical"), updated("a2"))
        eventually(lambda: receiver.requests)
        api.wait_projected()
        deliveries = api.get(f"/v1/webhooks/{endpoint['id']}/deliveries")["items"]

    assert len(deliveries) == 1


def test_only_what_is_sent_of_an_endpoint_is_changed(api: Api) -> None:
    quiet = {"time_zone": "Asia/Shanghai", "start": "21:00", "end": "08:00"}
    endpoint = add(api, "https://127.0.0.1/hook", digest_minutes=30)
    with api.client() as client:
        changed = client.patch(f"/v1/webhooks/{endpoint['id']}", json={"quiet_hours": quiet}).json()
        client.patch(f"/v1/webhooks/{endpoint['id']}", json={"quiet_hours": None, "digest_minutes": 60})

    now = api.get(f"/v1/webhooks/{endpoint['id']}")
    assert (changed["quiet_hours"], changed["digest_minutes"]) == ({**quiet, "except_severities": ["critical"]}, 30)
    assert (now["quiet_hours"], now["digest_minutes"], now["url"]) == (None, 60, endpoint["url"])


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "https://169.254.169.254/", "https://[::ffff:10.0.0.1]/"])
def test_a_private_address_is_refused_when_it_is_entered(api: Api, url: str) -> None:
    answer = api.post("/v1/webhooks", {"name": "x", "kind": "slack", "url": url})

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/url")


def test_a_test_message_says_how_it_was_taken(api: Api) -> None:
    with receiving(n_refusals=1) as receiver:
        endpoint = add(api, receiver.url)
        results = [api.post(f"/v1/webhooks/{endpoint['id']}/test").json() for _ in range(2)]

    assert [result["is_delivered"] for result in results] == [False, True]
