"""/v1/channels/{connection} over HTTP: signed deliveries reach Kafka, forged ones get nowhere."""

import hashlib
import hmac
import json
import smtplib
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import httpx2
import pytest

from tests.conftest import RunningKafka
from tests.integration.ingest.test_events_endpoint import Ingest, running
from tests.loopback import LOOPBACK
from tests.service_process import free_port

pytestmark = pytest.mark.integration

CONNECTIONS = """
- {id: team, provider: slack, credentials: {signing_secret: [new-secret, old-secret]}}
- {id: support, provider: smtp, credentials: {recipients: support@example.com}, settings: {listen_port: PORT}}
- {id: page, provider: meta, credentials: {app_secret: app, verify_token: hello}}
- {id: own, provider: cloudevents, credentials: {bearer_token: t0k3n}}
"""


@pytest.fixture
async def ingest(kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    connections = tmp_path / "connections.yaml"
    port = free_port()
    connections.write_text(CONNECTIONS.replace("PORT", str(port)))
    settings = {"PULSELINE_CONNECTIONS_FILE": str(connections)}
    ingest = await running(kafka.bootstrap, topic_prefix, database_url, tmp_path, settings)
    with ingest.service:
        ingest.smtp_port = port
        yield ingest


def slack_message(ingest: Ingest, text: str, secret: str, *, forged: bool = False) -> httpx2.Response:
    body = json.dumps(
        {
            "type": "event_callback", "team_id": "T1", "event_id": f"Ev{text}", "event_time": int(time.time()),
            "event": {"type": "message", "user": "U1", "text": text, "channel": "C1", "ts": f"{time.time():.6f}"},
        }
    ).encode()  # fmt: skip
    stamp = str(int(time.time()))
    signature = "v0=" + hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return httpx2.post(
        f"{ingest.service.url}/v1/channels/team",
        content=body.replace(b"U1", b"U2") if forged else body,
        headers={"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature},
        **LOOPBACK,
        timeout=20,
    )


@pytest.mark.parametrize("secret", ["new-secret", "old-secret"])
async def test_signed_message_reaches_kafka_with_either_secret(ingest: Ingest, secret: str) -> None:
    answer = slack_message(ingest, "hello", secret)

    assert answer.status_code == 200
    [record] = await ingest.records("interactions", 1)
    event = json.loads(record.value)
    assert (event["text"], event["source"].partition(":")[0]) == ("hello", "team")
    assert event["customer"]["id"].startswith("cus_")


async def test_a_bad_element_of_a_batch_is_named_and_the_others_reach_kafka(ingest: Ingest) -> None:
    event = {
        "specversion": "1.0",
        "source": "/s",
        "type": "interaction",
        "data": {"customer": {"id": "c"}, "text": "hi"},
    }
    batch = [{**event, "id": "first"}, {**event, "id": ""}, {**event, "id": "last"}]
    headers = {"Content-Type": "application/cloudevents-batch+json", "Authorization": "Bearer t0k3n"}

    answer = httpx2.post(
        f"{ingest.service.url}/v1/channels/own", content=json.dumps(batch), headers=headers, **LOOPBACK, timeout=20
    )

    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 2,
        "rejected": [{"pointer": "/1/id", "reason": "a CloudEvent needs this attribute"}],
    }
    records = await ingest.records("interactions", 2)
    assert {json.loads(record.value)["id"] for record in records} == {"first", "last"}


async def test_forged_message_is_refused_and_says_why_in_the_log_only(ingest: Ingest) -> None:
    answer = slack_message(ingest, "hello", "new-secret", forged=True)

    assert answer.status_code == 401
    assert answer.json()["detail"] == "the signature does not verify"
    assert "delivery_refused" in ingest.service.log.read_text()
    assert await ingest.records("interactions", 1, timeout_s=1) == []


async def test_challenge_is_answered(ingest: Ingest) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "hello", "hub.challenge": "42"}

    answer = httpx2.get(f"{ingest.service.url}/v1/channels/page", params=query, **LOOPBACK)

    assert (answer.status_code, answer.text) == (200, "42")


async def test_mail_for_an_allowed_recipient_reaches_kafka(ingest: Ingest) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Wang Mei <mei@example.org>", "support@example.com", "订单"
    mail.set_content("等了三天还没发货\n\n> 您的订单已收到")

    with smtplib.SMTP("127.0.0.1", ingest.smtp_port) as server:
        server.send_message(mail)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            server.sendmail("mei@example.org", ["stranger@example.net"], mail.as_bytes())

    [record] = await ingest.records("interactions", 1)
    event = json.loads(record.value)
    assert (event["channel"], event["text"]) == ("email", "等了三天还没发货")
    assert event["customer"]["handles"] == ["mailto:mei@example.org"]


async def test_unknown_connection_is_not_found(ingest: Ingest) -> None:
    assert httpx2.post(f"{ingest.service.url}/v1/channels/none", **LOOPBACK).status_code == 404
