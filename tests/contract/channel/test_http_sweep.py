"""Genuine deliveries, broken in every part, over HTTP: only documented answers, a reason in the log for each refusal.

The broker is not there, so 503 says that a delivery was proven genuine and understood. An exception that reached the
server would end the test: the transport hands it on.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.ingest.bootstrap import build
from services.ingest.settings import IngestSettings
from tests.contract.channel.signed import MAKERS, NOW, Delivery, delivery

DOCUMENTED = {200, 400, 401, 405, 413, 503}
GENUINE = {503, 200}
HTTP_MAKERS = sorted(set(MAKERS) - {"smtp"})
BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><xml><A>&b;</A></xml>'
BODIES = {
    "empty": b"",
    "space": b" \r\n",
    "not text": b"\xff\xfe\x00\x80",
    "half a character": '{"text":"中'.encode()[:-1],
    "NUL": b"\x00",
    "deep array": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "a number": b"1e999",
    "null": b"null",
    "a list": b"[]",
    "a list of wrong things": b'[1,null,"x",[],{}]',
    "an empty object": b"{}",
    "entities": BOMB,
    "open tag": b"<xml>",
    "lone surrogate": rb'{"text":"\ud800"}',
    "percent": b"%%%=%zz&&==",
    "many fields": b"&".join(b"a%d=1" % n for n in range(5_000)),
    "multipart without parts": b"--x--\r\n",
}
TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml", "\x7f")


class StoppedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Door:
    """Ingest with one connection, `shop`, whose genuine delivery is `genuine`."""

    def __init__(self, http: httpx2.AsyncClient, genuine: Delivery) -> None:
        self._http = http
        self.genuine = genuine

    async def send(
        self, *, body: bytes | None = None, headers: list[tuple[str, str]] | None = None, method: str = "POST",
        url: str | None = None,
    ) -> int:  # fmt: skip
        request = self._http.build_request(
            method,
            url or self.genuine.url,
            content=self.genuine.body if body is None else body,
            headers=list(self.genuine.headers.items()) if headers is None else headers,
        )
        return (await self._http.send(request)).status_code


@pytest.fixture(params=HTTP_MAKERS)
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    genuine = delivery(request.param)
    settings = {name: value for name, value in genuine.credentials.items() if isinstance(value, dict)}
    credentials = {name: value for name, value in genuine.credentials.items() if name not in settings}
    file = tmp_path / "connections.yaml"
    shop = {"id": "shop", "provider": genuine.provider, "credentials": credentials, "settings": settings}
    file.write_text(yaml.safe_dump([shop]))
    ingest = IngestSettings(
        kafka_bootstrap="127.0.0.1:1", ingest_public_url="https://hooks.example.com", connections_file=file,
        state_dir=tmp_path,
    )  # fmt: skip
    app = build(ingest, CollectorRegistry(), StoppedClock())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
        yield Door(http, genuine)


def mutations(body: bytes) -> Iterator[bytes]:
    """Yield the body cut, longer, and with one byte of every class changed at places all over it."""
    yield from (body[:-1], body[1:], body + b"\x00", body * 2)
    for step in range(16):
        place = len(body) * step // 16
        for replacement in (b"\x00", b"\xff", b"0", b"}", b'"', b"<", b"&", b"\\"):
            if body[place : place + 1] != replacement:
                yield body[:place] + replacement + body[place + 1 :]


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(getattr(record, "reason", "")) for record in caplog.records if record.message == "delivery refused"]


async def test_genuine_delivery_is_recognised(door: Door) -> None:
    assert await door.send() in GENUINE


async def test_changed_body_is_refused_where_the_proof_covers_it(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    statuses = [await door.send(body=body) for body in mutations(door.genuine.body)]

    assert set(statuses) <= ({401} if door.genuine.covers_body else DOCUMENTED)
    assert len([reason for reason in reasons(caplog) if reason]) >= statuses.count(401)


async def test_missing_and_repeated_proof_is_refused(door: Door) -> None:
    headers = list(door.genuine.headers.items())
    for name in door.genuine.proof_headers:
        without = [pair for pair in headers if pair[0] != name]
        twice = [*headers, (name, door.genuine.headers[name])]
        assert {await door.send(headers=without), await door.send(headers=twice)} == {401}, name


async def test_changed_proof_is_refused(door: Door) -> None:
    for name in door.genuine.proof_headers:
        value = door.genuine.headers[name]
        for changed in ("", value[:-1], value + "A", value.swapcase(), value[1:], "\xe9" + value, value * 1_000):
            if changed == value:
                continue
            headers = [(n, changed if n == name else v) for n, v in door.genuine.headers.items()]
            raw = [(n.encode(), v.encode("latin-1")) for n, v in headers]
            assert await door.send(headers=raw) == 401, (name, changed[:80])  # type: ignore[arg-type]


async def test_hostile_bodies_meet_documented_answers_only(door: Door) -> None:
    others = [(name, value) for name, value in door.genuine.headers.items() if name != "Content-Type"]
    for label, body in BODIES.items():
        for kind in TYPES:
            status = await door.send(body=body, headers=[*others, ("Content-Type", kind)])
            assert status in DOCUMENTED, (label, kind)


async def test_wrong_methods_and_sizes_meet_documented_answers_only(door: Door) -> None:
    answered = {method: await door.send(method=method) for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")}

    assert set(answered.values()) <= DOCUMENTED
    assert (answered["PUT"], answered["DELETE"]) == (405, 405)
    assert answered["HEAD"] == 200 or door.genuine.provider != "intercom"
    assert await door.send(body=b"x" * (6 << 20)) == 413


async def test_hostile_queries_meet_documented_answers_only(door: Door) -> None:
    base = door.genuine.url.partition("?")[0]
    for query in ("%ff=%fe&a", "&" * 2_000, "a=1&" * 2_000, "echostr=%00&timestamp=x&nonce=&signature=", "crc_token="):
        for method in ("GET", "POST"):
            assert await door.send(method=method, url=f"{base}?{query}") in DOCUMENTED, (query[:40], method)
