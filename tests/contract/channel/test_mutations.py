"""A genuine delivery changed anywhere is refused with `SignatureError`, as far as the provider's scheme reaches."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.ingest.channel import CHANNELS, PROVIDERS, ChannelRequest, SignatureError
from services.ingest.channel.payload import form_fields
from services.ingest.channel.phone.twilio import signed_form
from tests.contract.channel.signed import MAKERS, NOW, URL, Delivery, delivery
from tests.contract.channel.vector import Vector, vectors

WITH_HEADERS = [name for name in MAKERS if delivery(name).proof_headers]
TIMED = [name for name in MAKERS if delivery(name).window is not None]
COVERED = [name for name in MAKERS if delivery(name).covers_body]
BODY_ITSELF_NOT_COVERED = {"mailgun", "postmark", "telegram", "cloudevents", "segment", "smtp"}


def _is_accepted(sample: Delivery, request: ChannelRequest) -> bool:
    try:
        CHANNELS[sample.provider].verify(request, sample.credentials)
    except SignatureError:
        return False
    return True


def _is_harmless(sample: Delivery, body: bytes) -> bool:
    """Twilio signs decoded fields and Tencent the ciphertext: what they leave out must not change what is read."""
    channel = CHANNELS[sample.provider]
    if sample.provider == "twilio" and b"=" in body:
        return signed_form(form_fields(body)) == signed_form(form_fields(sample.body))
    if sample.provider in ("wechat", "wecom", "amazon_connect"):
        return channel.parse(sample.request(body=body), sample.credentials) == channel.parse(
            sample.request(), sample.credentials
        )
    return False


def test_every_provider_has_a_signed_sample() -> None:
    sampled = {delivery(name).provider for name in MAKERS}

    assert sampled == set(PROVIDERS)
    assert {delivery(name).provider for name in MAKERS if not delivery(name).covers_body} == BODY_ITSELF_NOT_COVERED


@pytest.mark.parametrize("name", MAKERS)
def test_the_untouched_delivery_is_accepted_and_read(name: str) -> None:
    sample = delivery(name)
    channel = CHANNELS[sample.provider]

    channel.verify(sample.request(), sample.credentials)
    parse = channel.read(sample.request(), sample.credentials)

    assert len(parse.events) == 1 or name == "twilio_json"


@pytest.mark.parametrize("name", COVERED)
def test_a_body_with_one_bit_flipped_is_refused(name: str) -> None:
    sample = delivery(name)

    accepted = []
    for index in range(len(sample.body)):
        body = bytearray(sample.body)
        body[index] ^= 1 << (index % 8)
        if _is_accepted(sample, sample.request(body=bytes(body))) and not _is_harmless(sample, bytes(body)):
            accepted.append(bytes(body))

    assert accepted == []


@pytest.mark.parametrize("name", COVERED)
@pytest.mark.parametrize("change", [lambda b: b + b"x", lambda b: b[:-7], lambda b: b"", lambda b: b"x" + b])
def test_a_body_made_longer_or_shorter_is_refused(name: str, change: Callable[[bytes], bytes]) -> None:
    sample = delivery(name)

    assert not _is_accepted(sample, sample.request(body=change(sample.body)))


@pytest.mark.parametrize("name", WITH_HEADERS)
def test_a_proof_header_with_one_bit_flipped_is_refused(name: str) -> None:
    sample = delivery(name)

    accepted = []
    for header in sample.proof_headers:
        value = sample.headers[header]
        start = value.find(" ") + 1 if header == "Authorization" else 0  # the word Basic or Bearer has no case
        for index in range(start, len(value)):
            for bit in (0, 5):
                forged = value[:index] + chr(ord(value[index]) ^ (1 << bit)) + value[index + 1 :]
                if _is_accepted(sample, sample.request(headers={**sample.headers, header: forged})):
                    accepted.append(forged)

    assert accepted == []


@pytest.mark.parametrize("name", WITH_HEADERS)
@pytest.mark.parametrize(
    "forge", [lambda v: "", lambda v: v[:-1], lambda v: v + "A", lambda v: v + "=", lambda v: "é" + v]
)
def test_a_proof_header_cut_or_extended_is_refused(name: str, forge: Callable[[str], str]) -> None:
    sample = delivery(name)

    for header in sample.proof_headers:
        headers = {**sample.headers, header: forge(sample.headers[header])}
        assert not _is_accepted(sample, sample.request(headers=headers)), header


@pytest.mark.parametrize("name", WITH_HEADERS)
def test_a_missing_proof_header_is_refused(name: str) -> None:
    sample = delivery(name)

    for header in sample.proof_headers:
        headers = {key: value for key, value in sample.headers.items() if key != header}
        assert not _is_accepted(sample, sample.request(headers=headers)), header


@pytest.mark.parametrize("name", WITH_HEADERS)
def test_a_proof_header_sent_twice_is_refused(name: str) -> None:
    sample = delivery(name)

    for header in sample.proof_headers:
        for extra in (sample.headers[header], "forged"):
            headers = [*sample.headers.items(), (header.lower(), extra)]
            assert not _is_accepted(sample, sample.request(headers=headers)), header


@pytest.mark.parametrize("name", MAKERS)
def test_another_secret_is_refused(name: str) -> None:
    sample = delivery(name)

    assert not _is_accepted(sample.with_secret("d3Jvbmctc2VjcmV0LXdyb25n"), sample.request())


@pytest.mark.parametrize("name", MAKERS)
def test_no_secret_at_all_is_refused(name: str) -> None:
    sample = delivery(name)

    with pytest.raises(SignatureError):
        CHANNELS[sample.provider].verify(sample.request(), {})


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "amazon_connect"])
def test_two_secrets_are_in_force_during_a_rotation(name: str) -> None:
    sample = delivery(name)
    rotating = {key: ["d3Jvbmctc2VjcmV0LXdyb25n", value] for key, value in sample.credentials.items()}
    if name == "sendgrid":
        rotating = {"public_key": [sample.credentials["public_key"], sample.credentials["public_key"]]}

    CHANNELS[sample.provider].verify(sample.request(), rotating)


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_delivery_outside_the_replay_window_is_refused(name: str, sign: int) -> None:
    sample = delivery(name)
    window = sample.window or timedelta(0)

    assert _is_accepted(sample, sample.request(received_at=NOW + sign * window))
    assert not _is_accepted(sample, sample.request(received_at=NOW + sign * (window + timedelta(seconds=2))))


@pytest.mark.parametrize("name", ["wechat", "wecom", "twilio_json"])
def test_a_url_parameter_changed_missing_or_repeated_is_refused(name: str) -> None:
    sample = delivery(name)
    head, _, query = sample.url.partition("?")
    pairs = query.split("&")

    for index, pair in enumerate(pairs):
        others = [p for i, p in enumerate(pairs) if i != index]
        flipped = pair[:-1] + chr(ord(pair[-1]) ^ 1)
        for forged in ([*others, flipped], others, [*pairs, pair]):
            assert not _is_accepted(sample, sample.request(url=f"{head}?{'&'.join(forged)}")), forged


def test_mailguns_proof_fields_are_covered_though_the_body_is_not() -> None:
    sample = delivery("mailgun")
    proof = sample.body.partition(b"event-data")[0]

    for index in range(proof.index(b"timestamp"), len(proof) - 4):
        body = bytearray(sample.body)
        body[index] ^= 1
        assert not _is_accepted(sample, sample.request(body=bytes(body))), bytes(body)


def test_mailguns_token_is_named_so_that_it_can_vouch_for_one_body_only() -> None:
    assert CHANNELS["mailgun"].replay_key(delivery("mailgun").request()) == "a" * 50
    assert CHANNELS["slack"].replay_key(delivery("slack").request()) is None


def _signed_and_valid() -> list[Vector]:
    return [v for v in vectors() if v.is_signed and v.expect["valid"] and v.row["scheme"] != "x-crc"]


def test_every_valid_vector_with_a_header_changed_is_refused() -> None:
    accepted = []
    for vector in _signed_and_valid():
        sample = Delivery(
            vector.provider, vector.credentials, vector.row["headers"], vector.request.body, vector.row["url"]
        )
        for header, value in sample.headers.items():
            if header.lower() == "content-type":
                continue
            for index in range(len(value)):
                forged = {**sample.headers, header: value[:index] + chr(ord(value[index]) ^ 1) + value[index + 1 :]}
                if _is_accepted(sample, sample.request(headers=forged, received_at=vector.request.received_at)):
                    accepted.append((vector.id, header, index))

    assert accepted == []


def test_every_valid_vector_with_its_body_changed_is_refused_or_reads_the_same() -> None:
    accepted = []
    for vector in _signed_and_valid():
        sample = Delivery(
            vector.provider, vector.credentials, vector.row["headers"], vector.request.body, vector.row["url"] or URL
        )
        if sample.provider == "mailgun":
            continue
        for index in range(0, len(sample.body), 3):
            body = sample.body[:index] + bytes([sample.body[index] ^ 1]) + sample.body[index + 1 :]
            request = sample.request(body=body, received_at=vector.request.received_at)
            if _is_accepted(sample, request) and not _reads_the_same(vector, body):
                accepted.append((vector.id, index))

    assert accepted == []


def _reads_the_same(vector: Vector, body: bytes) -> bool:
    if vector.provider not in ("wechat_oa", "wecom"):
        return False
    channel, request = CHANNELS[vector.provider], vector.request
    changed = ChannelRequest(request.method, request.url, request.headers, None, body, request.received_at)
    return channel.parse(changed, vector.credentials) == channel.parse(request, vector.credentials)
