"""Every shared provider vector, read in place: genuine ones verify and parse as stated, forged ones are refused."""

import json

import pytest

from services.ingest.channel import CHANNELS, ChannelParse, PayloadError, SignatureError
from tests.contract.channel.vector import Vector, faults, vectors

PROVIDERS = (
    *("bluesky", "chatwoot", "cloudevents", "genesys", "intercom", "line", "mailgun", "mastodon", "meta_instagram"),
    *("meta_messenger", "meta_whatsapp", "postmark", "segment", "sendgrid", "slack", "standard_webhooks", "telegram"),
    *("twilio", "wechat_oa", "wecom", "x", "zendesk"),
)


def _of(provider: str) -> list[Vector]:
    return [vector for vector in vectors() if vector.provider == provider and not vector.is_policy]


def _is_verified(vector: Vector) -> bool:
    try:
        CHANNELS[vector.provider].verify(vector.request, vector.credentials)
    except SignatureError:
        return False
    return True


def _read(vector: Vector) -> ChannelParse | None:
    try:
        return CHANNELS[vector.provider].read(vector.request, vector.credentials)
    except PayloadError:
        return None


def test_every_vector_belongs_to_a_known_provider() -> None:
    given = {vector.provider for vector in vectors()}

    assert given == set(PROVIDERS)
    assert given <= CHANNELS.keys()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_signatures_are_judged_as_the_provider_does(provider: str) -> None:
    signed = [vector for vector in _of(provider) if vector.is_signed]

    wrong = [vector.id for vector in signed if _is_verified(vector) != vector.expect["valid"]]

    assert wrong == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_genuine_deliveries_read_as_stated(provider: str) -> None:
    genuine = [vector for vector in _of(provider) if vector.expect.get("valid") is not False]

    wrong = {}
    for vector in genuine:
        parse = _read(vector)
        found = faults(vector, parse) if parse is not None else ["refused"]
        if found and not (parse is None and vector.expect.get("kind") == "suite_ignores"):
            wrong[vector.id] = found

    assert wrong == {}


def test_payloads_stated_invalid_are_refused() -> None:
    invalid = [vector for vector in vectors() if vector.expect.get("kind") == "invalid"]

    accepted = [vector.id for vector in invalid if _read(vector) is not None]

    assert accepted == []


def test_handshakes_get_the_stated_answer() -> None:
    asked = [vector for vector in vectors() if {"response_body", "response_json"} & vector.expect.keys()]

    for vector in asked:
        answer = CHANNELS[vector.provider].challenge(vector.request, vector.credentials)

        assert answer is not None, vector.id
        assert answer.text == vector.expect.get("response_body", answer.text)
        if "response_json" in vector.expect:
            assert json.loads(answer.body) == vector.expect["response_json"]


def test_a_message_repeated_inside_one_delivery_is_one_event() -> None:
    repeated = [vector for vector in vectors() if "notes_dup" in vector.expect]

    counts = {
        vector.id: len(CHANNELS[vector.provider].parse(vector.request, vector.credentials)) for vector in repeated
    }

    assert set(counts.values()) == {1}


def test_one_delivery_of_28_line_events_keeps_its_11_messages_apart() -> None:
    batch = next(vector for vector in vectors() if vector.id == "line-official-batch-28")

    parse = CHANNELS["line"].read(batch.request, batch.credentials)

    messages = [event for event in parse.events if event.attributes["kind"] == "message"]
    assert len(messages) == batch.expect["messages"]
    assert len(parse.events) + parse.ignored.total() == batch.expect["events"]
