"""Outgoing notifications: signatures against an independent oracle, retries, addresses, texts."""

import ipaddress
from datetime import timedelta

import msgspec
import pytest
import standardwebhooks

from services.api.notification.address import AddressGuard
from services.api.notification.decide import DISABLE_AFTER, RETRY_DELAYS, judge
from services.api.notification.model import Endpoint, EndpointKind, Job, Outcome
from services.api.notification.render import body, digest_title
from services.api.notification.sample import sample_event
from services.api.notification.send import judge_answer
from services.api.notification.sign import feishu_fields, is_signing_secret, new_signing_secret, webhook_headers
from shared.clock import SystemClock
from shared.errors import Reject
from tests.factories.records import NOON

REFUSED = Outcome(False, 500, "HTTP 500")


def endpoint(kind: EndpointKind = "webhook", failing_for: timedelta | None = None) -> Endpoint:
    return Endpoint(
        id="ep_1",
        kind=kind,
        url="https://example.com/hook",
        secret=None,
        sealed_secret=None,
        language="zh",
        rate_per_minute=60,
        failing_since=None if failing_for is None else NOON - failing_for,
    )


def job(n_attempts: int = 0, failing_for: timedelta | None = None) -> Job:
    return Job(id=1, seq=7, n_attempts=n_attempts, endpoint=endpoint(failing_for=failing_for))


def test_a_standard_webhooks_library_accepts_the_signature() -> None:
    secret, sent = new_signing_secret(), '{"你":"好"}'
    now_s = int(SystemClock().now().timestamp())

    headers = webhook_headers(secret, "msg_1", now_s, sent.encode())

    assert standardwebhooks.Webhook(secret).verify(sent, headers) == {"你": "好"}


def test_a_feishu_signature_is_the_documented_one() -> None:
    # Computed with openssl: printf '' | openssl dgst -sha256 -hmac $'1599360473\nsecret' -binary | base64
    assert feishu_fields("secret", 1599360473)["sign"] == "q4jswNiMy51J5JuQV566yJat0/lQ/c+22kINzUgKsGU="


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "plain", "whsec_!!!"])
def test_a_weak_signing_secret_is_refused(secret: str) -> None:
    assert not is_signing_secret(secret)


def test_failures_are_retried_on_the_schedule_and_then_given_up() -> None:
    delays = [judge(job(n), REFUSED, NOON, 0.0).retry_at for n in range(len(RETRY_DELAYS) + 1)]

    assert delays == [*(NOON + delay for delay in RETRY_DELAYS), None]


def test_a_retry_may_come_a_tenth_later_so_that_receivers_are_not_hit_at_once() -> None:
    assert judge(job(1), REFUSED, NOON, 1.0).retry_at == NOON + timedelta(minutes=5.5)


def test_a_delivery_ends_the_job_and_the_bad_time() -> None:
    verdict = judge(job(3, failing_for=timedelta(days=1)), Outcome(True, 200), NOON, 0.5)

    assert (verdict.retry_at, verdict.is_delivered, verdict.failing_since) == (None, True, None)


def test_an_endpoint_that_takes_nothing_for_days_is_disabled_and_says_why() -> None:
    verdict = judge(job(0, failing_for=DISABLE_AFTER), REFUSED, NOON, 0.0)

    assert verdict.disable is not None
    assert "HTTP 500" in verdict.disable


def test_an_endpoint_that_is_gone_is_disabled_at_once() -> None:
    assert judge(job(), judge_answer(endpoint(), 410, b""), NOON, 0.0).disable is not None


def test_a_message_keeps_its_id_across_attempts() -> None:
    assert job(0).message_id == job(5).message_id == "msg_1_7"


@pytest.mark.parametrize(
    ("kind", "status", "answer", "is_delivered"),
    [
        ("webhook", 204, b"", True),
        ("webhook", 302, b"", False),
        ("wecom", 200, b'{"errcode":0,"errmsg":"ok"}', True),
        ("wecom", 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}', False),
        ("feishu", 200, b'{"code":19021,"msg":"sign match fail"}', False),
        ("dingtalk", 200, b"<html>", False),
    ],
)
def test_an_answer_counts_by_its_status_and_a_bots_own_code(
    kind: EndpointKind, status: int, answer: bytes, is_delivered: bool
) -> None:
    assert judge_answer(endpoint(kind), status, answer).is_delivered is is_delivered


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.0.192",
        "168.63.129.16",
        "100.100.100.200",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "64:ff9b:1:a00:0:100::",
        "2002:7f00:1::1",
        "fec0::1",
        "fd00:ec2::254",
        "2001:db8::1",
        "3fff::1",
        "ff02::1",
    ],
)
async def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    async def resolve(_: str, __: int) -> list[str]:
        return ["93.184.216.34", address]

    with pytest.raises(Reject, match="public internet"):
        await AddressGuard(resolve=resolve).admit("https://rebinding.example/hook")


async def test_what_was_judged_is_what_is_connected_to() -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])

    async def resolve(_: str, __: int) -> list[str]:
        return next(answers)

    target = await AddressGuard(resolve=resolve).admit("https://rebinding.example:8443/hook?a=1")

    assert target.url == "https://93.184.216.34:8443/hook?a=1"
    assert target.host_header == "rebinding.example:8443"


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "１２７.0.0.1", "[::]"])
async def test_an_address_in_another_notation_is_judged_as_what_it_is(host: str) -> None:
    with pytest.raises(Reject):
        await AddressGuard().admit(f"https://{host}/")


async def test_a_host_in_other_letters_is_named_as_the_wire_knows_it() -> None:
    async def resolve(_: str, __: int) -> list[str]:
        return ["93.184.216.34"]

    assert (await AddressGuard(resolve=resolve).admit("https://bücher.example/")).host == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "https://",
        "https://user:pw@example.com/",
        "https://example.com/#f",
        "https://exa mple.com/",
        "https://example.com/\x7f",
        "https://example.com/\u2028",
        "https://example.com\\@127.0.0.1/",
        "https://example.com:99999/",
        "file:///etc/passwd",
        "gopher://example.com",
    ],
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(Reject):
        AddressGuard().check_form(url)


async def test_an_operator_may_allow_a_network_and_plain_http_in_it() -> None:
    async def resolve(host: str, _: int) -> list[str]:
        return [host]

    guard = AddressGuard([ipaddress.ip_network("10.1.0.0/16")], resolve)

    assert (await guard.admit("http://10.1.2.3/hook")).address == "10.1.2.3"
    with pytest.raises(Reject, match="plain http"):
        await guard.admit("http://93.184.216.34/hook")


@pytest.mark.parametrize("kind", ["webhook", "slack", "wecom", "dingtalk", "feishu"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_receiver_gets_the_reason_in_its_language(kind: EndpointKind, language: str) -> None:
    sent = msgspec.json.encode(body(kind, sample_event(NOON), language)).decode()  # type: ignore[arg-type]  # en or zh

    assert ("投诉五次" if language == "zh" else "five complaints") in sent


@pytest.mark.parametrize(
    ("n_events", "told"), [(1, "1 alert event of 1 customer"), (2, "2 alert events of 1 customer")]
)
def test_a_digest_counts_as_people_do(n_events: int, told: str) -> None:
    assert digest_title([sample_event(NOON)] * n_events, "en") == told
