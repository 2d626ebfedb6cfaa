"""Segment's own addresses, called as its libraries do: with an API key or a connection's write key as basic user."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.conftest import RunningKafka
from tests.integration.ingest.test_events_endpoint import Ingest, running
from tests.loopback import LOOPBACK

pytestmark = pytest.mark.integration

CONNECTIONS = "- {id: web, provider: segment, credentials: {write_key: a-write-key-of-the-web-shop}}"
CALLS: dict[str, dict[str, Any]] = {
    "track": {"userId": "c-1", "event": "Cart Viewed", "messageId": "m-1"},
    "identify": {"userId": "c-1", "traits": {"email": "ana@example.com"}, "messageId": "m-2"},
    "page": {"userId": "c-1", "name": "Home", "messageId": "m-3"},
    "screen": {"anonymousId": "a-1", "name": "Cart", "messageId": "m-4"},
    "group": {"userId": "c-1", "groupId": "g-1", "messageId": "m-5"},
    "alias": {"userId": "c-1", "previousId": "a-1", "messageId": "m-6"},
}


@pytest.fixture
async def ingest(kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    file = tmp_path / "connections.yaml"
    file.write_text(CONNECTIONS)
    settings = {"PULSELINE_CONNECTIONS_FILE": str(file)}
    ingest = await running(kafka.bootstrap, topic_prefix, database_url, tmp_path, settings)
    with ingest.service:
        yield ingest


def post(ingest: Ingest, call: str, body: Any, user: str | None) -> httpx2.Response:
    auth = None if user is None else (user, "")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{ingest.service.url}/v1/{call}", content=content, auth=auth, timeout=30, **LOOPBACK)


async def test_every_call_is_acknowledged_and_reaches_kafka_with_an_api_key(ingest: Ingest) -> None:
    answers = [post(ingest, call, body, ingest.key) for call, body in CALLS.items()]

    assert [(one.status_code, one.json()) for one in answers] == [(200, {"success": True})] * len(CALLS)
    records = await ingest.records("interactions", len(CALLS))
    found = {event["id"]: event for event in (json.loads(record.value) for record in records)}
    assert set(found) == {body["messageId"] for body in CALLS.values()}
    assert found["m-2"]["type"] == "customer.identified"
    assert found["m-1"]["attributes"]["kind"] == "track"
    assert {event["source"] for event in found.values()} == {"segment"}


async def test_batch_with_a_connections_write_key_is_that_connections(ingest: Ingest) -> None:
    batch = {"batch": [{"type": call, **body} for call, body in CALLS.items()]}

    assert post(ingest, "batch", batch, "a-write-key-of-the-web-shop").status_code == 200

    records = await ingest.records("interactions", len(CALLS))
    assert {json.loads(record.value)["source"] for record in records} == {"web:segment"}


async def test_write_key_may_stand_in_the_body(ingest: Ingest) -> None:
    for key in (ingest.key, "a-write-key-of-the-web-shop"):
        assert post(ingest, "track", {**CALLS["track"], "writeKey": key}, None).status_code == 200


async def test_faults_are_answered_as_documented(ingest: Ingest) -> None:
    assert post(ingest, "track", CALLS["track"], "not-a-key").status_code == 401
    assert post(ingest, "track", CALLS["track"], None).status_code == 401
    assert post(ingest, "track", b"{", ingest.key).status_code == 400
    assert post(ingest, "batch", {"batch": 7}, ingest.key).status_code == 400
    assert post(ingest, "batch", {}, ingest.key).status_code == 400
    assert post(ingest, "track", b"x" * (6 << 20), ingest.key).status_code == 413
    assert httpx2.get(f"{ingest.service.url}/v1/track", **LOOPBACK).status_code == 405
