"""Amazon SNS at the door: certificates and confirmations fetched over TLS from a stand-in with its own authority."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry

from services.ingest.bootstrap import build
from services.ingest.connection.amazon import AmazonSns
from services.ingest.settings import IngestSettings
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.kafka.topics_admin import ensure_topics
from tests.conftest import RunningKafka
from tests.fakes.tls_server import serve_tls, signed_certificate

pytestmark = pytest.mark.integration

HOST = "sns.eu-west-1.amazonaws.com"
PEM_PATH = "/SimpleNotificationService-0123abc.pem"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:calls"
CONNECTIONS = f"- {{id: desk, provider: amazon_connect, credentials: {{topic_arn: '{TOPIC}'}}}}"


@cache
def signing_key() -> tuple[rsa.RSAPrivateKey, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    certificate = signed_certificate("sns.amazonaws.com", key, "sns.amazonaws.com", key, is_authority=False)
    return key, certificate.public_bytes(Encoding.PEM)


@dataclass
class Amazon:
    """Serves `answers` (path → status, body) over TLS as `HOST`, and notes what is asked for."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0
    trust: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def serve(self, folder: Path, name: str = HOST) -> ThreadingHTTPServer:
        server = serve_tls(folder, name, handler_of(self), self.trust)
        self.port = server.server_address[1]
        return server


def handler_of(amazon: Amazon) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            amazon.asked.append(f"{self.headers['Host']}{self.path}")
            status, body = amazon.answers.get(self.path.partition("?")[0], (404, b""))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "https://elsewhere.example.com/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    return Handler


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Amazon]:
    stand_in = Amazon({PEM_PATH: (200, signing_key()[1])})
    server = stand_in.serve(tmp_path)
    yield stand_in
    server.shutdown()
    server.server_close()


class Door:
    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def deliver(self, message: dict[str, str]) -> int:
        return (await self._http.post("/v1/channels/desk", content=json.dumps(message))).status_code


@pytest.fixture
async def door(
    kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path, amazon: Amazon
) -> AsyncIterator[Door]:
    await ensure_topics(kafka.bootstrap, topic_prefix, 2, 1)
    file = tmp_path / "connections.yaml"
    file.write_text(CONNECTIONS)
    settings = IngestSettings(
        kafka_bootstrap=kafka.bootstrap, topic_prefix=topic_prefix, database_url=database_url,
        state_dir=tmp_path, connections_file=file,
    )  # fmt: skip
    clock = SystemClock()
    app = build(settings, CollectorRegistry(), clock, AmazonSns(clock, amazon.trust, ("127.0.0.1", amazon.port)))
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://ingest", timeout=30) as http,
    ):
        # A producer that is still connecting when the test ends would be left behind.
        while "kafka" in (await http.get("/readyz")).json().get("missing", {}):
            await asyncio.sleep(0.05)
        yield Door(http)


def notification(**changes: str) -> dict[str, str]:
    """Return a signed SNS message about a call."""
    detail = {"contactId": "c1", "channel": "VOICE", "eventType": "INITIATED", "initiationMethod": "INBOUND"}
    event = {"id": "e1", "detail": {**detail, "customerEndpoint": {"address": "+4915112345678"}}}
    message = {
        "Type": "Notification",
        "MessageId": "n1",
        "TopicArn": TOPIC,
        "Message": json.dumps(event),
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": "2",
        "SigningCertURL": f"https://{HOST}{PEM_PATH}",
        **changes,
    }
    names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    to_sign = "".join(f"{name}\n{message[name]}\n" for name in names)
    signature = signing_key()[0].sign(to_sign.encode(), PKCS1v15(), SHA256())
    return {**message, "Signature": base64.b64encode(signature).decode()}


def confirmation() -> dict[str, str]:
    address = f"https://{HOST}/?Action=ConfirmSubscription&Token=t1"
    return notification(Type="SubscriptionConfirmation", SubscribeURL=address, Token="t1", Message="please confirm")


async def test_notification_is_taken_and_the_certificate_fetched_once(door: Door, amazon: Amazon) -> None:
    statuses = [await door.deliver(notification()), await door.deliver(notification(MessageId="n2"))]

    assert statuses == [200, 200]
    assert amazon.asked == [HOST + PEM_PATH]


async def test_forged_notification_is_refused(door: Door) -> None:
    assert await door.deliver({**notification(), "Message": "{}"}) == 401


async def test_subscription_is_confirmed_after_it_is_verified(door: Door, amazon: Amazon) -> None:
    amazon.answers["/"] = (200, b"<ConfirmSubscriptionResponse/>")

    assert await door.deliver({**confirmation(), "Token": "t2"}) == 401
    assert await door.deliver(confirmation()) == 200

    assert amazon.asked == [HOST + PEM_PATH, f"{HOST}/?Action=ConfirmSubscription&Token=t1"]


async def test_confirmation_that_amazon_does_not_take_is_asked_for_again(door: Door, amazon: Amazon) -> None:
    amazon.answers["/"] = (500, b"")

    assert await door.deliver(confirmation()) == 503


async def test_fault_at_amazons_side_is_asked_for_again(door: Door, amazon: Amazon) -> None:
    for answer in ((500, b""), (200, b"no certificate"), (200, b"x" * 100_000), (302, b"")):
        amazon.answers[PEM_PATH] = answer
        assert await door.deliver(notification()) == 503, answer

    amazon.answers[PEM_PATH] = (200, signing_key()[1])

    assert await door.deliver(notification()) == 200


async def test_certificate_that_does_not_exist_refuses_and_is_not_asked_for_at_once(door: Door, amazon: Amazon) -> None:
    message = notification(SigningCertURL=f"https://{HOST}/SimpleNotificationService-none.pem")

    assert [await door.deliver(message), await door.deliver(message)] == [401, 401]
    assert len(amazon.asked) == 1


async def test_address_that_is_not_amazons_is_never_fetched(door: Door, amazon: Amazon) -> None:
    for address in (
        f"http://{HOST}{PEM_PATH}",
        f"https://{HOST}.evil.example{PEM_PATH}",
        f"https://{HOST}:8443{PEM_PATH}",
        f"https://user@{HOST}{PEM_PATH}",
        f"https://{HOST}/other.pem",
        f"https://169.254.169.254{PEM_PATH}",
        "file:///etc/passwd",
    ):
        assert await door.deliver(notification(SigningCertURL=address)) == 401, address

    assert amazon.asked == []


async def test_message_of_a_foreign_topic_makes_nobody_fetch(door: Door, amazon: Amazon) -> None:
    assert await door.deliver(notification(TopicArn=TOPIC + "-of-another")) == 401

    assert amazon.asked == []


async def test_server_that_cannot_prove_its_name_is_not_believed(tmp_path: Path) -> None:
    impostor = Amazon({PEM_PATH: (200, signing_key()[1])})
    server = impostor.serve(tmp_path, "elsewhere.example.com")
    fetch = AmazonSns(SystemClock(), impostor.trust, ("127.0.0.1", impostor.port))

    with pytest.raises(Unavailable):
        await fetch.certificate(f"https://{HOST}{PEM_PATH}")

    await fetch.stop()
    server.shutdown()
    server.server_close()
