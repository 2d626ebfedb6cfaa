"""POST /v1/events against a real broker and database, the service in its own process."""

import asyncio
import gzip
import json
import select
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from aiokafka import AIOKafkaConsumer

from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.kafka.topics_admin import ensure_topics
from shared.postgres.api_keys import Role, insert_key, new_key
from tests.conftest import RunningKafka
from tests.loopback import LOOPBACK
from tests.service_process import ServiceProcess
from tests.unit.services.ingest.test_decide import MALFORMED, raw
from tests.waiting import eventually

pytestmark = pytest.mark.integration


@dataclass
class Ingest:
    service: ServiceProcess
    bootstrap: str
    prefix: str
    database_url: str
    key: str
    smtp_port: int = 0

    def post(self, body: bytes, headers: Mapping[str, str] | None = None, *, key: str | None = None) -> httpx2.Response:
        return httpx2.post(
            f"{self.service.url}/v1/events",
            content=body,
            headers={"Authorization": f"Bearer {key or self.key}", **(headers or {})},
            timeout=30,
            **LOOPBACK,
        )

    async def records(self, topic: str, n: int, timeout_s: float = 30) -> list[Any]:
        """Return the topic's records once there are `n`, or whatever there is after the time."""
        consumer = AIOKafkaConsumer(
            f"{self.prefix}{topic}", bootstrap_servers=self.bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        found: list[Any] = []
        deadline = time.monotonic() + timeout_s
        while len(found) < n and time.monotonic() < deadline:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(batch)
        await consumer.stop()
        return found


async def make_key(database_url: str, role: Role = "integrator") -> str:
    key = new_key()
    connection = await asyncpg.connect(database_url)
    await insert_key(connection, key, name="test", role=role)
    await connection.close()
    return key


async def running(
    bootstrap: str, prefix: str, database_url: str, folder: Path, settings: Mapping[str, str] | None = None
) -> Ingest:
    await ensure_topics(bootstrap, prefix, 3, 1)
    key = await make_key(database_url)
    environment = {
        "PULSELINE_KAFKA_BOOTSTRAP": bootstrap,
        "PULSELINE_TOPIC_PREFIX": prefix,
        "PULSELINE_PARTITIONS": "3",
        "PULSELINE_DATABASE_URL": database_url,
        "PULSELINE_INGEST_ACK_TIMEOUT_S": "3",
        "PULSELINE_INGEST_KEY_REFRESH_S": "1",
        **(settings or {}),
    }
    return Ingest(ServiceProcess("ingest", environment, folder).start(), bootstrap, prefix, database_url, key)


@pytest.fixture
async def ingest(kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    ingest = await running(kafka.bootstrap, topic_prefix, database_url, tmp_path)
    with ingest.service:
        yield ingest


async def test_malformed_events_leave_their_neighbours_accepted(ingest: Ingest) -> None:
    bad = [event for event, _ in MALFORMED.values()][:10]
    body = b"[" + b",".join(part for i, event in enumerate(bad) for part in (event, raw(id=f"m-{i}"))) + b"]"

    answer = ingest.post(body)

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 10
    assert [one["pointer"] for one in answer.json()["rejected"]] == [p for _, p in MALFORMED.values()][:10]
    assert len(await ingest.records("interactions", 10)) == 10
    assert await ingest.records("dead-letters", 1, timeout_s=1) == []


async def test_what_is_no_json_behind_a_wrong_member_is_refused_and_told(ingest: Ingest) -> None:
    cut_off = raw(id="m-1", attributes={"a": 1})[:-1] + b",\xff"

    answers = [ingest.post(cut_off), ingest.post(cut_off, {"Content-Type": "application/x-ndjson"})]

    assert [answer.status_code for answer in answers] == [422, 422]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["rejected"][0]["reason"].startswith("JSON is malformed")


async def test_record_carries_cloudevents_headers_and_the_trace(ingest: Ingest) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    answer = ingest.post(raw(id="m-7"), {"traceparent": trace})
    [record] = await ingest.records("interactions", 1)

    headers = dict(record.headers)
    assert answer.headers["x-correlation-id"] == trace[3:35]
    assert headers["traceparent"] == trace.encode()
    assert (headers["ce_id"], headers["ce_type"], headers["schema"]) == (b"m-7", b"interaction", b"event/1")
    assert record.key == b"c-1"


async def test_open_bodies_are_bounded_together_and_make_room_when_they_end(
    kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path
) -> None:
    ingest = await running(
        kafka.bootstrap, topic_prefix, database_url, tmp_path, {"PULSELINE_INGEST_OPEN_BODIES_MB": "16"}
    )
    with ingest.service:
        uploads = [unfinished(ingest, 4_000_000) for _ in range(6)]
        eventually(lambda: sum(map(readable, uploads)) == 2)
        refused = [upload for upload in uploads if readable(upload)]
        told = b"".join(upload.recv(4_096) for upload in refused).lower()
        # What was sent may stand in the sockets for a while yet.
        eventually(lambda: metric(ingest, "pulseline_ingest_open_body_bytes") == 4 * 3_999_999)
        for upload in uploads:
            upload.close()
        eventually(lambda: metric(ingest, "pulseline_ingest_open_body_bytes") == 0)
        answer = ingest.post(raw(id="m-8"))

    assert told.count(b"503 service unavailable") == told.count(b"retry-after: 2") == len(refused)
    assert told.count(b"application/problem+json") == len(refused)
    assert answer.status_code == 202


def unfinished(ingest: Ingest, n_bytes: int) -> socket.socket:
    """Return a connection over which all but the last byte of a request has been sent."""
    upload = socket.create_connection(("127.0.0.1", ingest.service.port), 30)
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {ingest.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {n_bytes}\r\n\r\n"
    )
    upload.sendall(head.encode() + b" " * (n_bytes - 1))
    return upload


def readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def metric(ingest: Ingest, name: str) -> float:
    text = httpx2.get(f"{ingest.service.url}/metrics", timeout=30, **LOOPBACK).text
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/x-ndjson"}, raw(id="1") + b"\n" + raw(id="2")),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"[" + raw(id="1") + b"," + raw(id="2") + b"]")),
        (
            {"Content-Type": "application/x-ndjson", "Content-Encoding": "x-gzip"},
            gzip.compress(raw(id="1") + b"\n") + gzip.compress(raw(id="2") + b"\n") + b"\0\0",
        ),
    ],
    ids=["ndjson", "gzip", "gzip of two members"],
)
async def test_every_form_of_body_is_taken(ingest: Ingest, headers: dict[str, str], body: bytes) -> None:
    assert ingest.post(body, headers).json() == {"accepted": 2, "rejected": []}


async def test_who_sends_all_before_reading_hears_that_it_was_too_much(ingest: Ingest) -> None:
    body = b" " * (32 * 1024 * 1024)
    connection = HTTPConnection("127.0.0.1", int(ingest.service.url.rsplit(":", 1)[1]), timeout=20)
    headers = {"Authorization": f"Bearer {ingest.key}", "Connection": "close"}

    await asyncio.to_thread(connection.request, "POST", "/v1/events", body, headers)

    answer = await asyncio.to_thread(connection.getresponse)
    connection.close()
    assert answer.status == 413


async def test_refusals_say_why(ingest: Ingest) -> None:
    viewer = await make_key(ingest.database_url, "viewer")
    many = b"[" + b",".join([b"{}"] * 5001) + b"]"
    bomb = gzip.compress(b" " * 50_000_000)
    many_members = gzip.compress(b" " * 1_000_000) * 6

    answers = {
        "nothing valid": ingest.post(b'{"type": "interaction"}'),
        "no such key": ingest.post(raw(), key="pl_00000000_none"),
        "not allowed": ingest.post(raw(), key=viewer),
        "too many": ingest.post(many),
        "too large": ingest.post(b" " * (5 * 1024 * 1024 + 1)),
        "bomb": ingest.post(bomb, {"Content-Encoding": "gzip"}),
        "bomb in members": ingest.post(many_members, {"Content-Encoding": "gzip"}),
        "too many members": ingest.post(gzip.compress(b"") * 5_000, {"Content-Encoding": "gzip"}),
        "not all gzip": ingest.post(gzip.compress(raw()) + raw(), {"Content-Encoding": "gzip"}),
    }

    assert [answer.status_code for answer in answers.values()] == [422, 401, 403, 413, 413, 413, 413, 400, 400]
    for answer in answers.values():
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


async def test_known_keys_work_while_postgresql_is_down(
    kafka: RunningKafka, topic_prefix: str, fresh_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    ingest = await running(kafka.bootstrap, topic_prefix, fresh_postgres.url(), tmp_path)
    with ingest.service:
        fresh_postgres.stop()

        statuses = [ingest.post(raw(id=f"m-{i}")).status_code for i in range(5)]
        ingest.service.kill()
        ingest.service.start()

        assert statuses == [202] * 5
        assert ingest.post(raw(id="after-restart")).status_code == 202
        assert len(await ingest.records("interactions", 6)) == 6


async def test_without_broker_the_answer_is_503_and_later_everything_arrives(
    fresh_kafka: EmbeddedKafka, database_url: str, tmp_path: Path
) -> None:
    ingest = await running(fresh_kafka.bootstrap, "t-", database_url, tmp_path)
    with ingest.service:
        assert ingest.post(raw(id="before")).status_code == 202
        fresh_kafka.kill()

        refused = ingest.post(raw(id="during"))
        fresh_kafka.start()
        deadline = time.monotonic() + 40
        while (retried := ingest.post(raw(id="during"))).status_code == 503 and time.monotonic() < deadline:
            await asyncio.sleep(float(retried.headers["retry-after"]) / 4)

        assert (refused.status_code, retried.status_code) == (503, 202)
        assert int(refused.headers["retry-after"]) > 0
        ids = {json.loads(record.value)["id"] for record in await ingest.records("interactions", 2)}
        assert ids == {"before", "during"}


async def test_sigterm_ends_the_service_cleanly(ingest: Ingest) -> None:
    assert ingest.post(raw()).status_code == 202

    code = ingest.service.stop()

    # uvicorn shuts down in order and then lets the signal end the process.
    assert code in (0, -signal.SIGTERM)
    assert "Traceback" not in ingest.service.log.read_text()
