"""What each provider's kinds of delivery become: who, which way, which kind, what is left out and why."""

import hashlib
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from services.ingest.channel import CHANNELS, ChannelParse, ChannelRequest, PayloadError
from services.ingest.channel.phone.sns import certificate_url
from shared.contracts.event import (
    Call,
    CustomerIdentified,
    EventBase,
    Interaction,
    OrderPlaced,
    SurveyAnswered,
    TicketReopened,
    TicketResolved,
)
from tests.contract.channel.signed import AES_KEY, NOW, delivery, sealed


def _call(event: EventBase) -> Call:
    assert isinstance(event, Interaction)
    assert event.call is not None
    return event.call


def _actor(event: EventBase) -> str | None:
    return event.actor.kind if event.actor else None


def _read(provider: str, document: Any, **credentials: str) -> ChannelParse:
    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    return CHANNELS[provider].read(ChannelRequest("POST", "", headers, None, body, NOW), credentials)


def _form(**fields: str) -> ChannelParse:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = ChannelRequest("POST", "", headers, None, urlencode(fields).encode(), NOW)
    return CHANNELS["twilio"].read(request, {})


def _whatsapp(**value: Any) -> ChannelParse:
    change = {"field": "messages", "value": {"contacts": [{"wa_id": "4915112345678"}], **value}}
    return _read("meta", {"object": "whatsapp_business_account", "entry": [{"changes": [change]}]})


def _messenger(item: dict[str, Any], kind: str = "page") -> ChannelParse:
    frame = {"sender": {"id": "P"}, "recipient": {"id": "C"}, "timestamp": 1772366400000}
    return _read("meta", {"object": kind, "entry": [{"id": "P", "messaging": [{**frame, **item}]}]})


def _slack(event: dict[str, Any]) -> ChannelParse:
    return _read("slack", {"type": "event_callback", "team_id": "T", "event_id": "E", "event": event})


def test_an_answered_call_tells_its_length() -> None:
    (event,) = _form(
        CallSid="CA1", CallStatus="completed", From="+4915112345678", To="+493012345", CallDuration="65"
    ).events

    assert (event.channel, event.attributes["kind"]) == ("phone", "call")
    assert (_call(event).duration_s, _call(event).disposition) == (65.0, "answered")


def test_a_missed_call_says_so() -> None:
    (event,) = _form(CallSid="CA1", CallStatus="no-answer", From="+4915112345678", To="+493012345").events

    assert _call(event).disposition == "missed"


def test_an_outbound_call_is_about_whom_was_called() -> None:
    (event,) = _form(
        CallSid="CA1", CallStatus="busy", From="+493012345", To="+4915112345678", Direction="outbound-api"
    ).events

    assert (event.direction, event.customer.handles) == ("outbound", ["tel:+4915112345678"])


def test_a_voicemails_transcript_is_text_and_transcript() -> None:
    (event,) = _form(CallSid="CA1", From="+4915112345678", TranscriptionText="Please call me").events

    assert (event.attributes["kind"], event.text, _call(event).transcript) == (
        "transcript",
        "Please call me",
        "Please call me",
    )


@pytest.mark.parametrize(
    ("direction", "side", "way"), [("USER_INITIATED", "from", "inbound"), ("BUSINESS_INITIATED", "to", "outbound")]
)
def test_a_whatsapp_call_of_who_hides_his_number_is_his(direction: str, side: str, way: str) -> None:
    call = {"id": "wacid.1", "event": "terminate", "direction": direction, f"{side}_user_id": "DE.77", "duration": 9}

    (hidden,) = _whatsapp(calls=[call]).events
    (shown,) = _whatsapp(calls=[{**call, side: "4915112345678"}]).events

    assert (hidden.direction, hidden.customer.handles) == (way, ["whatsapp:DE.77"])
    assert shown.customer.handles == ["tel:+4915112345678", "whatsapp:DE.77"]


def test_whatsapp_ids_that_are_no_numbers_are_their_own_handle() -> None:
    (event,) = _form(MessageSid="SM1", From="whatsapp:US.1234", To="whatsapp:+493012345", Body="hi").events

    assert event.customer.handles == ["whatsapp:US.1234"]
    assert event.attributes["platform"] == "whatsapp"


@pytest.mark.parametrize("withheld", ["+266696687", "anonymous", "+7378742833"])
def test_callers_who_withhold_their_number_are_not_one_customer(withheld: str) -> None:
    (event,) = _form(CallSid="CA1", CallStatus="completed", From=withheld, To="+493012345").events

    assert event.customer.handles == []


def test_short_codes_are_kept_as_given() -> None:
    (event,) = _form(MessageSid="SM1", From="95588", To="+493012345", Body="hi").events

    assert event.customer.handles == ["tel:95588"]


def test_receipts_are_counted_and_never_events() -> None:
    parses = [
        _form(MessageSid="SM1", MessageStatus="delivered", To="+4915112345678"),
        _whatsapp(statuses=[{"id": "w1", "status": "read", "recipient_id": "4915112345678"}]),
        _messenger({"delivery": {"mids": ["m"]}}),
        _read("mailgun", {"event-data": {"event": "delivered", "recipient": "a@example.com"}}),
        _read("genesys", {"type": "Receipt", "channel": {}}),
    ]

    assert all(parse.events == [] and parse.ignored["receipt"] == 1 for parse in parses)


def test_a_reaction_taken_back_has_no_emoji() -> None:
    message = {"from": "4915112345678", "id": "w1", "timestamp": "1772366400", "type": "reaction"}

    (added,) = _whatsapp(messages=[{**message, "reaction": {"message_id": "w0", "emoji": "👍"}}]).events
    (removed,) = _whatsapp(messages=[{**message, "reaction": {"message_id": "w0"}}]).events

    assert (added.attributes["emoji"], added.attributes["kind"], getattr(added, "reply_to", None)) == (
        "👍",
        "reaction",
        "w0",
    )
    assert removed.attributes["removed"] == "true"


def test_an_edit_carries_the_new_words() -> None:
    edit = {"original_message_id": "w0", "message": {"type": "text", "text": {"body": "new"}}}
    message = {"from": "4915112345678", "id": "w1", "timestamp": "1772366400", "type": "edit", "edit": edit}

    (event,) = _whatsapp(messages=[message]).events

    assert (event.attributes["kind"], event.text, event.attributes["original_message_id"]) == ("edit", "new", "w0")


def test_a_whatsapp_call_ends_with_its_length() -> None:
    call = {"id": "c1", "from": "4915112345678", "event": "terminate", "direction": "USER_INITIATED", "duration": 30}

    (event,) = _whatsapp(calls=[{**call, "status": "COMPLETED", "timestamp": "1772366400"}]).events

    assert (event.channel, _call(event).duration_s, _call(event).disposition) == ("phone", 30.0, "completed")


@pytest.mark.parametrize(("app", "actor"), [({"app_id": 1}, "bot"), ({}, "agent")])
def test_an_echo_is_the_companys_own_message(app: dict[str, Any], actor: str) -> None:
    (event,) = _messenger({"message": {"mid": "m1", "is_echo": True, "text": "hi", **app}}).events

    assert (event.direction, _actor(event), event.customer.handles) == ("outbound", actor, ["messenger:C"])


def test_an_unsent_message_is_a_deletion() -> None:
    (event,) = _messenger({"message": {"mid": "m1", "is_deleted": True}}, "instagram").events

    assert (event.attributes["kind"], event.text, event.attributes["message_id"]) == ("deletion", None, "m1")


def test_a_comment_under_a_post_is_social() -> None:
    value = {
        "from": {"id": "U", "name": "Ana"},
        "item": "comment",
        "comment_id": "c1",
        "message": "Never again",
        "verb": "add",
    }

    (event,) = _read(
        "meta", {"object": "page", "entry": [{"id": "P", "changes": [{"field": "feed", "value": value}]}]}
    ).events

    assert (event.channel, event.text, event.customer.handles) == ("social", "Never again", ["messenger:U"])


def test_a_slack_bot_is_outbound_and_a_file_share_is_not() -> None:
    (bot,) = _slack({"type": "message", "bot_id": "B", "text": "hi", "ts": "1772366400.1", "channel": "C"}).events
    (person,) = _slack(
        {"type": "message", "subtype": "file_share", "user": "U", "ts": "1772366400.2", "channel": "C"}
    ).events

    assert (bot.direction, _actor(bot)) == ("outbound", "bot")
    assert (person.direction, person.customer.handles) == ("inbound", ["slack:T/U"])


def test_slack_deletions_and_joins() -> None:
    previous = {"user": "U", "ts": "1772366400.1", "text": "gone"}
    event = {
        "type": "message",
        "subtype": "message_deleted",
        "deleted_ts": "1772366400.1",
        "previous_message": previous,
    }

    (deletion,) = _slack({**event, "ts": "1772366401.1", "channel": "C"}).events
    joined = _slack({"type": "message", "subtype": "channel_join", "user": "U", "ts": "1772366400.1"})

    assert (deletion.attributes["kind"], deletion.text) == ("deletion", None)
    assert joined.ignored == {"channel_notice": 1}


def test_slack_answers_a_signed_challenge_only() -> None:
    sample = delivery("slack")

    assert CHANNELS["slack"].challenge(sample.request(), sample.credentials) is None
    assert (
        CHANNELS["slack"].challenge(
            sample.request(body=b'{"type":"url_verification","challenge":"c"}'), sample.credentials
        )
        is None
    )


@pytest.mark.parametrize(("token", "answer"), [("token", "123"), ("other", None)])
def test_meta_answers_our_own_verify_token_only(token: str, answer: str | None) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "123"}

    response = CHANNELS["meta"].challenge(ChannelRequest("GET", "", None, query, b"", NOW), {"verify_token": "token"})

    assert (response.text if response else None) == answer


def test_x_signs_no_body_for_a_stranger() -> None:
    forged = ChannelRequest("GET", "", None, {"crc_token": '{"tweet_create_events":[]}'}, b"", NOW)

    assert CHANNELS["x"].challenge(forged, {"consumer_secret": "s"}) is None


def test_wecom_answers_with_what_is_sealed_in_an_unescaped_echo() -> None:
    echo = sealed(b"echo-me", "corp")
    signature = hashlib.sha1("".join(sorted(["t", "1772366400", "n", echo])).encode()).hexdigest()
    query = {"msg_signature": signature, "timestamp": "1772366400", "nonce": "n", "echostr": echo.replace("+", " ")}
    credentials = {"token": "t", "encoding_aes_key": AES_KEY, "corp_id": "corp"}

    response = CHANNELS["wecom"].challenge(ChannelRequest("GET", "", None, query, b"", NOW), credentials)

    assert response is not None
    assert response.text == "echo-me"


def test_a_customer_who_drops_the_employee_is_told() -> None:
    xml = (
        "<xml><ToUserName>corp</ToUserName><FromUserName>sys</FromUserName><CreateTime>1772366400</CreateTime>"
        "<MsgType>event</MsgType><Event>change_external_contact</Event><ChangeType>del_follow_user</ChangeType>"
        "<UserID>zhang</UserID><ExternalUserID>wm1</ExternalUserID></xml>"
    )

    (event,) = CHANNELS["wecom"].parse(ChannelRequest(body=xml, received_at=NOW), {})

    assert event.customer.handles == ["wecom:corp/wm1"]
    assert event.attributes["change"] == "del_follow_user"


@pytest.mark.parametrize("kind", ["unfollow", "follow"])
def test_following_and_blocking_on_line_are_acts(kind: str) -> None:
    event = {"type": kind, "timestamp": 1772366400000, "source": {"type": "user", "userId": "U"}, "webhookEventId": "e"}

    (act,) = _read("line", {"events": [event]}).events

    assert (act.attributes["kind"], act.attributes["event"], act.text) == ("event", kind, None)


def test_blocking_a_telegram_bot_is_an_act() -> None:
    change = {
        "from": {"id": 7},
        "chat": {"id": 7, "type": "private"},
        "date": 1772366400,
        "new_chat_member": {"status": "kicked"},
    }

    (event,) = _read("telegram", {"update_id": 1, "my_chat_member": change}).events

    assert event.attributes["event"] == "blocked"


def test_an_intercom_rating_is_a_csat_answer() -> None:
    rating = {"rating": 2, "remark": "slow", "created_at": 1772366400}
    item = {"id": "c1", "conversation_rating": rating, "user": {"id": "u1", "email": "A@Example.com"}}

    (event,) = _read(
        "intercom", {"topic": "conversation.rating.added", "app_id": "a", "id": "n", "data": {"item": item}}
    ).events

    assert isinstance(event, SurveyAnswered)
    assert (event.score, event.scale_max, event.text, event.customer.handles[0]) == (
        2,
        5,
        "slow",
        "mailto:a@example.com",
    )


@pytest.mark.parametrize(
    ("before", "now", "kind"), [("OPEN", "SOLVED", TicketResolved), ("SOLVED", "OPEN", TicketReopened)]
)
def test_a_zendesk_ticket_is_resolved_and_reopened(before: str, now: str, kind: type) -> None:
    document = {
        "type": "zen:event-type:ticket.status_changed",
        "account_id": 1,
        "id": "z1",
        "time": "2026-03-01T11:00:00Z",
        "detail": {"id": "35", "requester_id": "8"},
        "event": {"previous": before, "current": now},
    }

    (event,) = _read("zendesk", document).events

    assert isinstance(event, kind)
    assert event.customer.handles == ["zendesk:1/8"]


@pytest.mark.parametrize(
    ("message_type", "sender", "direction", "actor"),
    [
        ("incoming", {"type": "contact"}, "inbound", "customer"),
        (0, {}, "inbound", "customer"),
        ("outgoing", {"type": "user"}, "outbound", "agent"),
        ("outgoing", {"type": "agent_bot"}, "outbound", "bot"),
        ("template", {}, "outbound", "bot"),
    ],
)
def test_chatwoot_directions(message_type: Any, sender: dict[str, Any], direction: str, actor: str) -> None:
    document = {"event": "message_created", "id": 1, "content": "hi", "message_type": message_type, "sender": sender}

    (event,) = _read("chatwoot", document).events

    assert (event.direction, _actor(event)) == (direction, actor)


def test_private_notes_stay_private() -> None:
    note = {"event": "message_created", "id": 1, "content": "psst", "message_type": "outgoing", "private": True}

    assert _read("chatwoot", note).ignored == {"private_note": 1}


def test_a_completed_segment_order_is_an_order() -> None:
    properties = {
        "order_id": "o1",
        "total": 30.5,
        "currency": "eur",
        "products": [{"sku": "s1", "price": 30.5, "quantity": 1}],
    }

    (event,) = _read(
        "segment",
        {"type": "track", "event": "Order Completed", "userId": "c1", "messageId": "m1", "properties": properties},
    ).events

    assert isinstance(event, OrderPlaced)
    assert (event.order_id, event.amount, event.currency, event.items[0].price) == ("o1", "30.5", "EUR", "30.5")


def test_a_segment_order_told_twice_is_placed_once_and_may_be_refunded_twice() -> None:
    call = {"type": "track", "userId": "c1", "properties": {"order_id": "o1", "total": 30.5}}
    placed = {**call, "event": "Order Completed"}
    refunded = {**call, "event": "Order Refunded"}

    calls = [{**placed, "messageId": "m1"}, {**placed, "messageId": "m2"}]
    calls += [{**refunded, "messageId": "m3"}, {**refunded, "messageId": "m4"}]
    first, again, *refunds = _read("segment", {"batch": calls}).events

    assert first.id == again.id
    assert len({first.id, *(event.id for event in refunds)}) == 3


@pytest.mark.parametrize(
    ("sent", "stated", "more", "told"),
    [
        (timedelta(days=-400), timedelta(days=-400, seconds=-30), {}, timedelta(seconds=-30)),
        (timedelta(hours=3), timedelta(hours=2), {}, timedelta(hours=-1)),
        (timedelta(minutes=-4), timedelta(minutes=-4), {}, timedelta(minutes=-4)),
        (timedelta(0), timedelta(days=-700), {}, timedelta(days=-700)),
        (timedelta(days=-9), timedelta(days=-9), {"receivedAt": NOW.isoformat()}, timedelta(days=-9)),
    ],
    ids=["a clock far behind", "a clock ahead", "late by minutes", "an import of history", "put right by Segment"],
)
def test_a_device_whose_clock_is_wrong_is_read_by_ours(
    sent: timedelta, stated: timedelta, more: dict[str, str], told: timedelta
) -> None:
    call = {"type": "track", "userId": "c1", "timestamp": (NOW + stated).isoformat(), **more}

    (event,) = _read("segment", {"batch": [call], "sentAt": (NOW + sent).isoformat()}).events

    assert event.occurred_at == NOW + told


@pytest.mark.parametrize(("stated", "kept"), [("2000-02-29T00:00:00Z", "2000-02-29"), ("1999-02-30", None)])
def test_a_birthday_that_no_calendar_has_costs_segments_identity_nothing_else(stated: str, kept: str | None) -> None:
    (event,) = _read("segment", {"type": "identify", "userId": "c1", "traits": {"birthday": stated}}).events

    assert isinstance(event, CustomerIdentified)
    assert event.birthday == kept


def test_segment_identities_link_handles_to_the_companys_id() -> None:
    call = {
        "type": "identify",
        "userId": "c1",
        "anonymousId": "a1",
        "traits": {"email": "A@example.com", "birthday": "1990-01-02T00:00"},
    }

    parse = _read("segment", {"batch": [call, {"type": "identify", "anonymousId": "a2"}, 7]})

    (event,) = parse.events
    assert isinstance(event, CustomerIdentified)
    assert (event.customer.id, event.customer.handles) == ("c1", ["anonymous:a1", "mailto:a@example.com"])
    assert parse.ignored == {"anonymous_identity": 1, "unknown_kind": 1}


def _batch(*events: Any) -> ChannelParse:
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    request = ChannelRequest(headers=headers, body=json.dumps(events), received_at=NOW)
    return CHANNELS["cloudevents"].read(request, {})


_CLOUDEVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/s",
    "type": "interaction",
    "data": {"customer": {"id": "c"}},
}


def test_a_bad_event_in_a_batch_of_cloudevents_is_named_and_its_neighbours_are_taken() -> None:
    bad = {**_CLOUDEVENT, "data": {"customer": {"id": 5}}}

    parse = _batch(_CLOUDEVENT, bad, 7, {**_CLOUDEVENT, "id": "2"})

    assert [event.id for event in parse.events] == ["1", "2"]
    assert [error.pointer for error in parse.refused] == ["/1/data/customer/id", "/2"]


def test_a_batch_without_a_single_good_event_is_refused() -> None:
    with pytest.raises(PayloadError) as refusal:
        _batch({**_CLOUDEVENT, "id": ""}, 7)

    assert refusal.value.pointer == "/0/id"


def test_cloudevents_consents_to_a_sender_that_asks() -> None:
    request = ChannelRequest("OPTIONS", "", {"WebHook-Request-Origin": "shop.example"}, None, b"", NOW)

    response = CHANNELS["cloudevents"].challenge(request, {})

    assert response is not None
    assert ("WebHook-Allowed-Origin", "shop.example") in response.headers


def test_a_contact_lens_transcript_keeps_the_customers_words_apart() -> None:
    document = {
        "Channel": "VOICE",
        "LanguageCode": "en-US",
        "CustomerMetadata": {"ContactId": "c1"},
        "Participants": [
            {"ParticipantId": "A", "ParticipantRole": "AGENT"},
            {"ParticipantId": "C", "ParticipantRole": "CUSTOMER"},
        ],
        "Transcript": [
            {"ParticipantId": "A", "Content": "How can I help?"},
            {"ParticipantId": "C", "Content": "Cancel it."},
        ],
    }

    (event,) = _read("amazon_connect", document).events

    assert (event.text, event.conversation_id) == ("Cancel it.", "c1")
    assert _call(event).transcript == "AGENT: How can I help?\nCUSTOMER: Cancel it."


def test_the_case_of_amazons_members_does_not_matter() -> None:
    contact = {"ContactId": "c1", "Channel": "VOICE", "CustomerEndpoint": {"Address": "+4915112345678"}}

    (event,) = _read("amazon_connect", {"Name": "ContactFlowEvent", "Details": {"ContactData": contact}}).events

    assert (event.id, event.channel, event.customer.handles) == ("c1", "phone", ["tel:+4915112345678"])


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123abc.pem",
        "https://evil.example/SimpleNotificationService-0123abc.pem",
        "https://user@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123abc.pem",
        "https://sns.eu-west-1.amazonaws.com/other.pem",
        "https://s3.amazonaws.com/SimpleNotificationService-0123abc.pem",
        "https://[",
    ],
)
def test_certificates_come_from_amazon_alone(url: str) -> None:
    assert certificate_url({"SigningCertURL": url}) is None


def test_half_an_emoji_does_not_lose_the_message() -> None:
    message = b'{"id":"1","type":"text","text":"hi \\ud83d"}'
    body = b'{"events":[{"type":"message","source":{"userId":"U"},"message":' + message + b"}]}"

    (event,) = CHANNELS["line"].parse(ChannelRequest(body=body, received_at=NOW), {})

    assert event.text == "hi \ufffd"


@pytest.mark.parametrize("body", [b'{"a":' * 100_000, b"[" * 100_000, b"not json", b"\xff\xfe", b'{"a": NaN}'])
def test_bodies_that_are_no_json_are_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        CHANNELS["meta"].parse(ChannelRequest(body=body, received_at=NOW), {})


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><xml>&b;</xml>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>',
        b"<a>" * 100_000,
        b"<xml>" + b"x" * 1_100_000 + b"</xml>",
        b"no xml",
    ],
)
def test_xml_with_entities_depth_or_size_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        CHANNELS["wechat"].parse(ChannelRequest(body=body, received_at=NOW), {})
