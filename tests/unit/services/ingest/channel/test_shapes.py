"""Shapes that providers' documents and SDKs show and that are easily misread: whose words, which network, what file."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.ingest.channel import CHANNELS, ChannelParse, ChannelRequest, PayloadError, SignatureError
from services.ingest.channel.payload import multipart_parts
from shared.contracts.codec import encode
from shared.contracts.event import (
    Call,
    CustomerIdentified,
    CustomerMerged,
    EventBase,
    Interaction,
    SurveyAnswered,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from shared.links import minted_id
from tests.contract.channel.signed import AES_KEY, NOW, UNIX, sealed

STAMP = 1772366000
ANA = {"id": 111, "is_bot": False, "first_name": "Ana"}
PRIVATE = {"id": 111, "type": "private"}
GROUP = {"id": -100, "type": "supergroup", "title": "Shop"}


def _read(provider: str, document: Any, **credentials: str) -> ChannelParse:
    headers = {"Content-Type": "application/json"}
    return CHANNELS[provider].read(
        ChannelRequest("POST", "", headers, None, json.dumps(document).encode(), NOW), credentials
    )


def _form(**fields: str) -> ChannelParse:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    return CHANNELS["twilio"].read(ChannelRequest("POST", "", headers, None, urlencode(fields).encode(), NOW), {})


def _telegram(kind: str = "message", **parts: Any) -> ChannelParse:
    message = {"message_id": 5, "from": ANA, "chat": PRIVATE, "date": STAMP, **parts}
    return _read("telegram", {"update_id": 1, kind: message})


def _page(kind: str, **entry: Any) -> ChannelParse:
    return _read("meta", {"object": kind, "entry": [{"id": "P", "time": STAMP, **entry}]})


def _whatsapp(field: str, **value: Any) -> ChannelParse:
    change = {"field": field, "value": {"metadata": {"display_phone_number": "493012345"}, **value}}
    return _read("meta", {"object": "whatsapp_business_account", "entry": [{"changes": [change]}]})


def _whose(event: EventBase) -> tuple[str | None, str | None, list[str]]:
    return event.direction, event.actor.kind if event.actor else None, event.customer.handles


def _files(event: EventBase) -> list[tuple[str, str]]:
    assert isinstance(event, Interaction)
    return [(file.name, file.media_type) for file in event.attachments]


# Telegram


@pytest.mark.parametrize(
    ("parts", "whose"),
    [
        ({"business_connection_id": "b"}, ("inbound", "customer", ["telegram:111"])),
        ({"business_connection_id": "b", "from": {"id": 222}}, ("outbound", "agent", ["telegram:111"])),
        (
            {"business_connection_id": "b", "from": {"id": 222}, "sender_business_bot": {"id": 9}},
            ("outbound", "bot", ["telegram:111"]),
        ),
        (
            {"chat": GROUP, "from": {"id": 1087968824, "is_bot": True}, "sender_chat": GROUP},
            ("outbound", "agent", ["telegram:-100"]),
        ),
        (
            {"chat": GROUP, "from": {"id": 136817688, "is_bot": True}, "sender_chat": {"id": -5, "title": "Fans"}},
            ("inbound", "customer", ["telegram:-5"]),
        ),
        (
            {"chat": GROUP, "from": {"id": 777000}, "sender_chat": {"id": -6}, "is_automatic_forward": True},
            ("outbound", "agent", ["telegram:-100"]),
        ),
    ],
    ids=["customer", "owner", "owner's bot", "administrator as the group", "person as a channel", "channel's copy"],
)
def test_telegram_tells_the_companys_side_from_the_customers(parts: dict[str, Any], whose: tuple[Any, ...]) -> None:
    (event,) = _telegram(
        "business_message" if "business_connection_id" in parts else "message", text="hi", **parts
    ).events

    assert _whose(event) == whose


def test_a_post_of_the_channel_itself_is_the_companys() -> None:
    channel = {"id": -9, "type": "channel", "title": "News"}

    (event,) = _telegram("channel_post", chat=channel, sender_chat=channel, **{"from": None}, text="new").events

    assert _whose(event)[:2] == ("outbound", "agent")


@pytest.mark.parametrize(
    "service",
    ["successful_payment", "forum_topic_created", "users_shared", "boost_added", "video_chat_started", "gift", "new"],
)
def test_telegrams_own_notices_are_no_messages_of_the_customer(service: str) -> None:
    notice: dict[str, Any] = {service: {"x": 1}, "text": None}

    parse = _telegram(**notice)

    assert (parse.events, parse.ignored) == ([], {"system_notice": 1})


def test_null_members_mean_what_absent_ones_do() -> None:
    (event,) = _telegram(text="hi", location=None, photo=None, new_chat_title=None, forward_origin=None).events

    assert (_files(event), event.attributes.get("forwarded")) == ([], None)


@pytest.mark.parametrize(
    ("parts", "text", "files"),
    [
        ({"paid_media": {"paid_media": [{}, {}]}, "caption": "c"}, "c", 2),
        ({"story": {"id": 3}}, "", 1),
        ({"checklist": {"title": "Faults", "tasks": [{"text": "lid"}, {"text": "hinge"}]}}, "Faults\nlid\nhinge", 0),
        ({"game": {"title": "Chess"}}, "Chess", 0),
    ],
)
def test_telegrams_rarer_contents_are_told(parts: dict[str, Any], text: str, files: int) -> None:
    (event,) = _telegram(**parts).events

    assert (event.text, len(_files(event))) == (text, files)


def test_a_reaction_with_the_companys_own_emoji_is_not_taken_back() -> None:
    reaction = {"chat": GROUP, "message_id": 4, "user": ANA, "date": STAMP}
    custom = {"type": "custom_emoji", "custom_emoji_id": "55"}

    (given,) = _read("telegram", {"update_id": 1, "message_reaction": {**reaction, "new_reaction": [custom]}}).events
    (taken,) = _read("telegram", {"update_id": 2, "message_reaction": {**reaction, "new_reaction": []}}).events

    assert (given.attributes["custom_emoji"], given.attributes.get("removed")) == ("55", None)
    assert taken.attributes["removed"] == "true"


# Meta


_ITEM = {
    "sender": {"id": "C"},
    "recipient": {"id": "P"},
    "timestamp": STAMP * 1000,
    "message": {"mid": "m", "text": "hi"},
}


@pytest.mark.parametrize(
    "entry",
    [
        {"messaging": [_ITEM]},
        {"standby": [_ITEM]},
        {"changes": [{"field": "messages", "value": {**_ITEM, "timestamp": str(STAMP)}}]},
        {"messaging": [{**_ITEM, "postback": None, "message_edit": None}]},
    ],
    ids=["messaging", "standby", "changes", "with nulls"],
)
def test_a_message_counts_however_instagram_hands_it_over(entry: dict[str, Any]) -> None:
    (event,) = _page("instagram", **entry).events

    assert (event.id, event.text, event.occurred_at.timestamp()) == ("m", "hi", STAMP)
    assert _whose(event) == ("inbound", "customer", ["instagram:C"])


def test_a_removed_comment_is_a_deletion_though_it_has_no_words() -> None:
    value = {"item": "comment", "verb": "remove", "from": {"id": "C"}, "comment_id": "c1", "created_time": STAMP}

    (event,) = _page("page", changes=[{"field": "feed", "value": value}]).events

    assert (event.attributes["kind"], event.attributes["message_id"]) == ("deletion", "c1")


@pytest.mark.parametrize("verb", ["hide", "unhide", "block"])
def test_moderating_a_comment_is_no_new_word_of_its_author(verb: str) -> None:
    value = {"from": {"id": "U"}, "item": "comment", "comment_id": "c1", "message": "Never again", "verb": verb}

    parse = _page("page", changes=[{"field": "feed", "value": value}])

    assert (parse.events, dict(parse.ignored)) == ([], {"moderation": 1})


def test_messenger_feedback_is_a_survey_on_its_own_scale() -> None:
    questions = {
        "q1": {"type": "csat", "payload": "2", "follow_up": {"type": "free_form", "payload": "slow"}},
        "q2": {"type": "nps", "payload": "10"},
        "q3": {"type": "csat", "payload": "9"},
    }
    item = {**_ITEM, "message": None, "messaging_feedback": {"feedback_screens": [{"questions": questions}]}}

    events = _page("page", messaging=[item]).events

    answers = [event for event in events if isinstance(event, SurveyAnswered)]
    assert [(a.kind, a.score, a.scale_min, a.scale_max, a.text) for a in answers] == [
        ("csat", 2, 1, 5, "slow"),
        ("nps", 10, 0, 10, None),
    ]
    assert {tuple(answer.customer.handles) for answer in answers} == {("messenger:C",)}


@pytest.mark.parametrize(("words", "emoji"), [("Good response", "👍"), ("Bad response", "👎")])
def test_a_thumb_on_an_answer_is_a_reaction(words: str, emoji: str) -> None:
    item = {**_ITEM, "message": None, "response_feedback": {"feedback": words, "mid": "m0"}}

    (event,) = _page("page", messaging=[item]).events

    assert (event.attributes["kind"], event.attributes["emoji"]) == ("reaction", emoji)
    assert event.attributes["message_id"] == "m0"


def test_a_deliverys_emptiness_is_counted() -> None:
    assert _read("meta", {"object": "page", "entry": []}).ignored == {"empty": 1}
    assert _read("line", {"destination": "U", "events": []}).ignored == {"handshake": 1}


@pytest.mark.parametrize(("value", "event_name"), [("stop", "unsubscribe"), ("resume", "resubscribe")])
def test_stopping_marketing_messages_is_an_act(value: str, event_name: str) -> None:
    preference = {"wa_id": "4915112345678", "category": "marketing_messages", "value": value, "timestamp": STAMP}

    (event,) = _whatsapp("user_preferences", user_preferences=[preference]).events

    assert (event.attributes["kind"], event.attributes["event"]) == ("event", event_name)
    assert _whose(event) == ("inbound", "customer", ["tel:+4915112345678"])


@pytest.mark.parametrize(
    ("kind", "member"), [("user_changed_number", "wa_id"), ("customer_changed_number", "new_wa_id")]
)
def test_who_changes_his_whatsapp_number_stays_who_he_was(kind: str, member: str) -> None:
    notice = {"id": "w", "from": "4915112345678", "timestamp": str(STAMP), "type": "system"}

    (event,) = _whatsapp("messages", messages=[{**notice, "system": {"type": kind, member: "4915187654321"}}]).events

    assert isinstance(event, CustomerMerged)
    assert (event.from_id, event.into_id) == (minted_id("tel:+4915187654321"), minted_id("tel:+4915112345678"))


def test_other_notices_of_whatsapp_tell_nothing() -> None:
    notice = {"id": "w", "from": "4915112345678", "type": "system", "system": {"type": "customer_identity_changed"}}

    assert dict(_whatsapp("messages", messages=[notice]).ignored) == {"system_notice": 1}


def test_leave_to_call_is_a_tap_and_no_empty_message() -> None:
    reply = {"type": "call_permission_reply", "call_permission_reply": {"response": "reject"}}
    message = {"from": "4915112345678", "id": "w", "timestamp": str(STAMP), "type": "interactive", "interactive": reply}

    (event,) = _whatsapp("messages", messages=[message]).events

    assert (event.attributes["kind"], event.attributes["call_permission"]) == ("interaction", "reject")


@pytest.mark.parametrize("kind", ["edit", "revoke"])
def test_an_edit_or_deletion_names_the_message_it_is_about(kind: str) -> None:
    message = {
        "from": "4915112345678",
        "id": "w1",
        "timestamp": str(STAMP),
        "type": kind,
        kind: {"original_message_id": "w0", "message": {"type": "text", "text": {"body": "new"}}},
    }

    (event,) = _whatsapp("messages", messages=[message]).events

    assert (event.id, event.attributes["message_id"]) == ("w1", "w0")


def test_a_calls_length_may_be_a_text() -> None:
    call = {"id": "c", "from": "4915112345678", "event": "terminate", "duration": "30", "timestamp": str(STAMP)}

    (event,) = _whatsapp("calls", calls=[call]).events

    assert isinstance(event, Interaction)
    assert isinstance(event.call, Call)
    assert event.call.duration_s == 30


# Slack


@pytest.mark.parametrize(
    ("team", "is_shared", "side"),
    [
        ("T1", True, ("outbound", "agent")),
        ("T9", True, ("inbound", "customer")),
        ("T1", False, ("inbound", "customer")),
    ],
)
def test_in_a_shared_slack_channel_our_own_staff_are_the_company(
    team: str, is_shared: bool, side: tuple[str, str]
) -> None:
    message = {"type": "message", "user": "U1", "text": "hi", "ts": f"{STAMP}.1", "channel": "C", "team": team}
    body = {
        "team_id": "T1",
        "authorizations": [{"team_id": "T1"}],
        "is_ext_shared_channel": is_shared,
        "event": message,
    }

    (event,) = _read("slack", body).events

    assert _whose(event)[:2] == side


def test_slackbot_is_a_bot() -> None:
    message = {"type": "message", "user": "USLACKBOT", "text": "hi", "ts": f"{STAMP}.1", "channel": "C"}

    (event,) = _read("slack", {"team_id": "T1", "event": message}).events

    assert _whose(event)[:2] == ("outbound", "bot")


# Twilio


def test_a_calls_end_is_dated_by_twilios_own_clock() -> None:
    (event,) = _form(
        CallSid="CA1", CallStatus="completed", From="+4915112345678", Timestamp="Sun, 01 Mar 2026 11:30:00 +0000"
    ).events

    assert event.occurred_at.isoformat() == "2026-03-01T11:30:00+00:00"


@pytest.mark.parametrize(
    ("sender", "handles", "platform"),
    [
        ("messenger:7895", ["messenger:7895"], "messenger"),
        ("rcs:+4915112345678", ["tel:+4915112345678"], "sms"),
        ("whatsapp:+4915112345678", ["tel:+4915112345678", "whatsapp:US.1234"], "whatsapp"),
    ],
)
def test_twilio_senders_belong_to_their_network(sender: str, handles: list[str], platform: str) -> None:
    more = {"ExternalUserId": "whatsapp:US.1234"} if platform == "whatsapp" else {}

    (event,) = _form(MessageSid="SM1", From=sender, To="x:1", Body="hi", **more).events

    assert (event.customer.handles, event.attributes["platform"]) == (handles, platform)


def test_each_answer_a_caller_speaks_is_kept_beside_the_call() -> None:
    call = {"CallSid": "CA1", "From": "+4915112345678", "To": "+493012345"}

    (start,) = _form(**call, CallStatus="ringing").events
    (first,) = _form(**call, CallStatus="in-progress", SpeechResult="My parcel is broken", Confidence="0.9").events
    (second,) = _form(**call, CallStatus="in-progress", SpeechResult="Nobody answers", Confidence="0.8").events
    (again,) = _form(**call, CallStatus="in-progress", SpeechResult="Nobody answers", Confidence="0.8").events

    assert len({start.id, first.id, second.id}) == 3
    assert again.id == second.id
    assert (first.text, first.attributes["kind"]) == ("My parcel is broken", "transcript")


def test_a_twilio_conversation_speaks_by_its_authors_address() -> None:
    added = {"EventType": "onMessageAdded", "ConversationSid": "CH1", "DateCreated": "2026-03-01T11:30:00.000Z"}
    media = json.dumps([{"Sid": "ME1", "Filename": "a.jpg", "ContentType": "image/jpeg", "Size": 9}])

    (event,) = _form(**added, MessageSid="IM1", Author="whatsapp:+4915112345678", Body="late", Media=media).events
    agent = _form(**added, MessageSid="IM2", Author="bob", Body="we look")

    assert (event.id, event.conversation_id, event.text) == ("IM1", "CH1", "late")
    assert (event.customer.handles, _files(event)) == (["tel:+4915112345678"], [("a.jpg", "image/jpeg")])
    assert (agent.events, agent.ignored) == ([], {"author_without_address": 1})
    assert _form(EventType="onDeliveryUpdated", ConversationSid="CH1", MessageSid="IM2").ignored == {"receipt": 1}


# Amazon Connect


_CHAT = {"ContactId": "1", "Id": "m", "ParticipantId": "p", "ParticipantRole": "CUSTOMER", "Type": "MESSAGE"}
_CONTACT = {"contactId": "1", "channel": "CHAT", "eventType": "INITIATED", "initiationMethod": "INBOUND"}


def _contact(**parts: Any) -> ChannelParse:
    return _read("amazon_connect", {"id": "e", "detail": {**_CONTACT, **parts}})


def test_a_file_and_a_choice_in_an_amazon_chat_are_messages() -> None:
    chosen = json.dumps({"templateType": "ListPicker", "data": {"content": {"title": "Return"}}})
    answer = "application/vnd.amazonaws.connect.message.interactive.response"
    files = [{"AttachmentName": "x.png", "ContentType": "image/png"}]

    (choice,) = _read("amazon_connect", {**_CHAT, "ContentType": answer, "Content": chosen}).events
    (file,) = _read("amazon_connect", {**_CHAT, "Type": "ATTACHMENT", "Attachments": files}).events

    assert choice.text == "Return"
    assert (file.text, _files(file)) == ("", [("x.png", "image/png")])


def test_an_amazon_text_message_is_of_a_telephone() -> None:
    subtype = {"connect:Subtype": {"valueString": "connect:SMS"}}

    (event,) = _contact(segmentAttributes=subtype, customerEndpoint={"address": "+4915112345678"}).events

    assert (event.channel, event.customer.handles) == ("sms", ["tel:+4915112345678"])


def test_who_listens_in_is_no_contact_and_an_agents_mail_goes_out() -> None:
    (mail,) = _contact(channel="EMAIL", initiationMethod="AGENT_REPLY").events

    assert _contact(initiationMethod="MONITOR").ignored == {"call_progress": 1}
    assert mail.direction == "outbound"


@pytest.mark.parametrize(("channel", "direction"), [("VOICE", "outbound"), ("CHAT", "inbound")])
def test_by_the_api_the_company_calls_and_a_customer_chats(channel: str, direction: str) -> None:
    endpoint = {"address": "+4915112345678", "type": "TELEPHONE_NUMBER"}

    (event,) = _contact(channel=channel, initiationMethod="API", customerEndpoint=endpoint).events

    assert event.direction == direction


def test_a_contact_record_is_the_same_call_as_the_contacts_last_event() -> None:
    record = {
        "AWSContactTraceRecordFormatVersion": "2017-03-10",
        "ContactId": "1",
        "Channel": "VOICE",
        "InitiationMethod": "INBOUND",
        "InitiationTimestamp": "2026-03-01T11:00:00Z",
        "DisconnectTimestamp": "2026-03-01T11:10:00Z",
        "CustomerEndpoint": {"Address": "+4915112345678", "Type": "TELEPHONE_NUMBER"},
        "Queue": {"Name": "Basic", "EnqueueTimestamp": "2026-03-01T11:01:00Z"},
        "Agent": {"ConnectedToAgentTimestamp": "2026-03-01T11:05:00Z"},
    }

    (event,) = _read("amazon_connect", record).events

    assert isinstance(event, Interaction)
    assert (event.id, event.attributes["kind"]) == ("1:disconnected", "call")
    assert event.call == Call(duration_s=600, wait_s=240, disposition="answered")


# Zendesk, Intercom, Chatwoot


def _sunshine(content: dict[str, Any], **author: Any) -> EventBase:
    message = {"id": "m", "author": {"type": "user", "userId": "u", **author}, "content": content}
    (event,) = _read("zendesk", {"events": [{"type": "conversation:message", "payload": {"message": message}}]}).events
    return event


_CONVERSATIONS = {"signing_secret": "s", "conversations_secret": ["new", "old"]}
_MESSAGING: dict[str, Any] = {"app": {"id": "a"}, "webhook": {"version": "v2"}, "events": []}


def _verify_conversations(key: str, document: Any, credentials: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json", "x-api-key": key}
    body = json.dumps(document).encode()
    CHANNELS["zendesk"].verify(ChannelRequest("POST", "", headers, None, body, NOW), credentials)


def test_zendesk_messaging_proves_itself_by_its_integrations_secret() -> None:
    _verify_conversations("new", _MESSAGING, _CONVERSATIONS)
    _verify_conversations("old", _MESSAGING, _CONVERSATIONS)


@pytest.mark.parametrize(
    ("key", "document", "credentials"),
    [
        ("s", _MESSAGING, _CONVERSATIONS),
        ("new", _MESSAGING, {"signing_secret": "new"}),
        ("new", {"type": "zen:event-type:ticket.created"}, _CONVERSATIONS),
        ("new", {"ticket_id": "5", "comment": "x", "requester_email": "a@example.com"}, _CONVERSATIONS),
        ("new", [], _CONVERSATIONS),
    ],
)
def test_the_secret_of_zendesk_messaging_vouches_for_messaging_alone(
    key: str, document: Any, credentials: dict[str, Any]
) -> None:
    with pytest.raises(SignatureError):
        _verify_conversations(key, document, credentials)


def test_a_document_with_messages_is_read_as_no_ticket() -> None:
    body = {**_MESSAGING, "type": "zen:event-type:ticket.created", "detail": {"id": "5", "requester_id": "8"}}

    assert _read("zendesk", body).events == []


def test_zendesk_messaging_names_the_companys_own_customer() -> None:
    assert _sunshine({"text": "hi"}, user={"id": "u", "externalId": "c-7"}).customer.id == "c-7"


def test_a_form_or_a_place_in_zendesk_messaging_is_told() -> None:
    form = _sunshine({"type": "formResponse", "fields": [], "textFallback": "Name: Ana"})
    place = _sunshine({"type": "location", "coordinates": {"lat": 1, "long": 2}})

    assert form.text == "Name: Ana"
    assert _files(place) == [("location", "application/geo+json")]


def test_a_button_tapped_in_zendesk_messaging_is_an_interaction() -> None:
    payload = {"postback": {"payload": "buy", "displayName": "Buy"}, "user": {"id": "u"}}

    (event,) = _read("zendesk", {"events": [{"id": "p", "type": "conversation:postback", "payload": payload}]}).events

    assert (event.id, event.attributes["kind"], event.text) == ("p", "interaction", "Buy")


@pytest.mark.parametrize(
    ("kind", "whose"),
    [
        ("end_user", ("inbound", "customer", ["zendesk:7/u"])),
        ("agent", ("outbound", "agent", [])),
        ("trigger", ("outbound", "bot", [])),
    ],
)
def test_zendesk_messaging_as_a_tickets_event(kind: str, whose: tuple[Any, ...]) -> None:
    event = {"actor": {"id": "u", "type": kind}, "conversation_id": "c", "message": {"id": "m", "body": "late"}}
    body = {
        "type": "zen:event-type:messaging_ticket.message_added",
        "account_id": 7,
        "detail": {"id": "5"},
        "event": event,
    }

    (message,) = _read("zendesk", body).events

    assert (_whose(message), message.id, message.text, message.conversation_id) == (whose, "m", "late", "c")


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ({"satisfaction_score": {"score": "BAD", "comment": "slow"}}, (0, 0, 1, "slow")),
        ({"satisfaction_score": "GOOD"}, (1, 0, 1, None)),
        ({"satisfaction_score": {"score": 4}}, (4, 1, 5, None)),
        ({"previous": "OFFERED", "current": "BAD_WITH_COMMENT"}, (0, 0, 1, None)),
    ],
)
def test_a_zendesk_csat_received_is_a_survey_answered(told: dict[str, Any], answer: tuple[Any, ...]) -> None:
    detail = {"id": "5", "requester_id": "8"}
    body = {"type": "zen:event-type:ticket.csat_received", "account_id": 7, "id": "e", "detail": detail, "event": told}

    (event,) = _read("zendesk", body).events

    assert isinstance(event, SurveyAnswered)
    assert (event.score, event.scale_min, event.scale_max, event.text) == answer
    assert event.customer.handles == ["zendesk:7/8"]


@pytest.mark.parametrize(
    ("told", "whose", "text"),
    [
        ({"submitter_id": "7"}, ("inbound", "customer"), "It leaks."),
        ({"submitter_id": "9", "via": {"channel": "web"}}, ("outbound", "agent"), "It leaks."),
        ({"submitter_id": "9", "via": {"channel": "api"}}, ("inbound", "customer"), "It leaks."),
        ({"submitter_id": "9", "is_public": False}, ("outbound", "agent"), None),
    ],
    ids=["his own words", "an agent's words", "a form by the API", "an agent's note"],
)
def test_a_zendesk_ticket_is_opened_in_the_words_of_its_submitter(
    told: dict[str, Any], whose: tuple[str, str], text: str | None
) -> None:
    detail = {"id": "3", "requester_id": "7", "description": "It leaks.", **told}

    (event,) = _read("zendesk", {"type": "zen:event-type:ticket.created", "id": "e", "detail": detail}).events

    assert isinstance(event, TicketOpened)
    assert (event.direction, event.actor and event.actor.kind) == whose
    assert (event.text, event.customer.handles) == (text, ["zendesk:account/7"])


@pytest.mark.parametrize(
    ("via", "channel"), [("Mail", "email"), ("Web form", "web"), ("Phone call (inbound)", "phone"), ("Chat", "chat")]
)
def test_a_zendesk_triggers_channel_is_read_as_zendesk_writes_it(via: str, channel: str) -> None:
    (event,) = _read("zendesk", {"ticket_id": "3", "comment": "Hi", "channel": via}).events

    assert event.channel == channel


def test_a_zendesk_csat_only_asked_for_is_no_answer() -> None:
    body = {"type": "zen:event-type:ticket.csat_requested", "account_id": 7, "detail": {"id": "5"}, "event": {}}

    assert dict(_read("zendesk", body).ignored) == {"unknown_kind": 1}


def _intercom(**part: Any) -> EventBase:
    author = {"type": "user", "id": "i1", "email": "ana@example.com"}
    item = {
        "id": "c",
        "contacts": {"contacts": [{"type": "contact", "id": "i1", "external_id": "c-7"}]},
        "conversation_parts": {"conversation_parts": [{"id": "p", "author": author, **part}]},
    }
    (event,) = _read("intercom", {"topic": "conversation.user.replied", "app_id": "a", "data": {"item": item}}).events
    return event


def test_an_intercom_author_is_known_by_the_conversations_contact() -> None:
    event = _intercom(body="<p>late</p>")

    assert (event.customer.id, event.customer.handles) == ("c-7", ["mailto:ana@example.com", "intercom:a/i1"])


_ASKED = {"id": "5", "part_type": "comment", "body": "<p>any news?</p>", "author": {"type": "user", "id": "i1"}}
_NOTED = {"id": "6", "part_type": "note", "body": "<p>a difficult one</p>", "author": {"type": "admin", "id": "9"}}
_ANSWERED = {"id": "7", "part_type": "comment", "body": "<p>soon</p>", "author": {"type": "admin", "id": "9"}}


def _intercom_ticket(topic: str, notification: str = "n1", **changed: Any) -> ChannelParse:
    ticket: dict[str, Any] = {
        "type": "ticket",
        "id": "215",
        "ticket_id": "12",
        "category": "Customer",
        "ticket_attributes": {"_default_title_": "Broken lamp", "_default_description_": "It flickers.", "Size": None},
        "ticket_state": "submitted",
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "i1", "external_id": "c-7"}]},
        "ticket_parts": {"type": "ticket_part.list", "ticket_parts": [_ASKED, _NOTED, _ANSWERED], "total_count": 3},
        **changed,
    }
    item = {"ticket": ticket} if topic == "ticket.closed" else ticket
    return _read("intercom", {"topic": topic, "app_id": "a", "id": notification, "data": {"item": item}})


def _state_change(before: str, now: str) -> dict[str, Any]:
    part = {"id": "37", "part_type": "ticket_state_updated_by_admin", "author": {"type": "admin", "id": "9"}}
    return {"ticket_parts": [{**part, "ticket_state": now, "previous_ticket_state": before}]}


def test_an_intercom_ticket_is_opened_with_its_title_and_description() -> None:
    (event,) = _intercom_ticket("ticket.created").events

    assert isinstance(event, TicketOpened)
    assert (event.ticket_id, event.subject, event.text) == ("215", "Broken lamp", "It flickers.")
    assert (event.customer.id, event.customer.handles) == ("c-7", ["intercom:a/i1"])


@pytest.mark.parametrize(
    ("topic", "said"),
    [("ticket.contact.replied", ("5", "any news?", "inbound")), ("ticket.admin.replied", ("7", "soon", "outbound"))],
)
def test_a_reply_to_an_intercom_ticket_is_its_sides_newest_comment(topic: str, said: tuple[str, str, str]) -> None:
    (event,) = _intercom_ticket(topic).events

    assert (event.id, event.text, event.direction) == said
    assert event.customer.id == "c-7"


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [("in_progress", "resolved", TicketResolved), ("resolved", "in_progress", TicketReopened)],
)
def test_an_intercom_ticket_is_resolved_and_reopened(before: str, now: str, kind: type) -> None:
    change = _state_change(before, now)

    (event,) = _intercom_ticket("ticket.state.updated", ticket_state=now, ticket_parts=change).events
    (newer,) = _intercom_ticket("ticket.state.updated", ticket_state={"category": now}, ticket_parts=change).events

    assert isinstance(event, kind)
    assert event.id == newer.id


@pytest.mark.parametrize("topic", ["ticket.resolved", "ticket.closed"])
def test_another_topic_about_the_same_resolution_is_the_same_event(topic: str) -> None:
    change = {"ticket_state": "resolved", "ticket_parts": _state_change("submitted", "resolved")}

    (first,) = _intercom_ticket("ticket.state.updated", "n1", **change).events
    (again,) = _intercom_ticket(topic, "n2", **change).events

    assert (again.source, again.id) == (first.source, first.id)


@pytest.mark.parametrize(
    ("topic", "changed", "reason"),
    [
        ("ticket.created", {"category": "Back-office"}, "private_note"),
        ("ticket.note.created", {}, "private_note"),
        ("ticket.state.updated", {"ticket_parts": _state_change("submitted", "submitted")}, "status_change"),
        ("ticket.closed", {}, "status_change"),
        ("ticket.rating.provided", {}, "without_score"),
        ("ticket.contact.replied", {"ticket_parts": None}, "without_text"),
        ("ticket.created", {"id": None}, "without_ticket"),
        ("ticket.team.assigned", {}, "unknown_kind"),
    ],
)
def test_what_is_left_out_of_intercom_tickets_is_counted(topic: str, changed: dict[str, Any], reason: str) -> None:
    assert dict(_intercom_ticket(topic, **changed).ignored) == {reason: 1}


@pytest.mark.parametrize(
    "rated",
    [
        {"conversation_rating": {"rating": 2, "remark": "slow"}},
        {"ticket_rating": {"rating": 2, "remark": "slow"}},
        {"rating": {"rating": 2, "remark": "slow"}},
        {"rating": 2, "remark": "slow"},
    ],
)
def test_an_intercom_tickets_rating_is_found_wherever_it_stands(rated: dict[str, Any]) -> None:
    (event,) = _intercom_ticket("ticket.rating.provided", **rated).events

    assert isinstance(event, SurveyAnswered)
    assert (event.score, event.scale_max, event.text, event.customer.id) == (2, 5, "slow", "c-7")


def test_an_intercom_ticket_of_nobody_names_nobody() -> None:
    (event,) = _intercom_ticket("ticket.created", contacts={"contacts": []}).events

    assert (event.customer.id, event.customer.handles) == (None, [])


def _intercom_merge(**contact: Any) -> ChannelParse:
    item = {"type": "contact", "id": "new", "email": "ana@example.com", "name": "Ana", **contact}
    return _read("intercom", {"topic": "contact.merged", "app_id": "a", "id": "n1", "data": {"item": item}})


def test_a_contact_absorbed_by_one_the_company_knows_is_that_customers() -> None:
    (event,) = _intercom_merge(external_id="c-7", merged_from={"type": "contact", "id": "old"}).events

    assert isinstance(event, CustomerIdentified)
    assert (event.customer.id, event.name) == ("c-7", "Ana")
    assert event.customer.handles == ["mailto:ana@example.com", "intercom:a/new", "intercom:a/old"]


def test_a_contact_absorbed_by_one_without_an_id_joins_what_its_handle_stands_for() -> None:
    (event,) = _intercom_merge(external_id=None, merged_from={"type": "contact", "id": "old"}).events

    assert isinstance(event, CustomerMerged)
    assert (event.from_id, event.into_id) == (minted_id("intercom:a/old"), minted_id("intercom:a/new"))


def test_a_merge_that_does_not_say_from_whom_is_counted() -> None:
    assert dict(_intercom_merge(external_id="c-7").ignored) == {"merge_without_source": 1}


def _intercom_step(topic: str, **changed: Any) -> ChannelParse:
    part = {"id": "28", "part_type": "close", "body": None, "author": {"type": "admin", "id": "19"}}
    item = {
        "type": "conversation",
        "id": "213",
        "updated_at": 1772366000,
        "user": {"type": "lead", "id": "i1", "email": "ana@example.com"},
        "conversation_message": {"id": "1", "body": "<p>Hello</p>", "author": {"type": "user", "id": "i1"}},
        "conversation_parts": {"conversation_parts": [{**part, **changed.pop("part", {})}]},
        **changed,
    }
    return _read(
        "intercom", {"topic": topic, "app_id": "a", "id": "n", "created_at": 1772366400, "data": {"item": item}}
    )


@pytest.mark.parametrize(
    ("topic", "kind"),
    [("conversation.admin.closed", TicketResolved), ("conversation.admin.opened", TicketReopened)],
)
def test_an_intercom_conversation_closed_or_opened_again_is_like_a_ticket(topic: str, kind: type) -> None:
    (event,) = _intercom_step(topic).events

    assert isinstance(event, TicketResolved | TicketReopened)
    assert type(event) is kind
    assert (event.ticket_id, event.customer.handles) == ("213", ["mailto:ana@example.com", "intercom:a/i1"])
    assert (event.direction, event.actor and event.actor.kind) == ("outbound", "agent")


@pytest.mark.parametrize("kind", ["note", "note_and_reopen", "assignment", "assign_and_unsnooze"])
def test_what_colleagues_tell_each_other_at_intercom_is_said_to_nobody(kind: str) -> None:
    (event,) = _intercom_step("conversation.admin.opened", part={"part_type": kind, "body": "<p>rude one</p>"}).events

    assert isinstance(event, TicketReopened)
    assert event.text is None


def test_the_last_word_with_which_an_intercom_conversation_is_closed_is_said() -> None:
    said, closed = _intercom_step("conversation.admin.closed", part={"body": "<p>Bye</p>"}).events

    assert (said.id, said.text, said.direction) == ("28", "Bye", "outbound")
    assert isinstance(closed, TicketResolved)


def test_closing_the_conversation_of_an_intercom_ticket_does_not_resolve_it() -> None:
    assert dict(_intercom_step("conversation.admin.closed", ticket={"id": "7"}).ignored) == {"status_change": 1}


@pytest.mark.parametrize(("source", "channel"), [("email", "email"), ("conversation", "chat"), ("sms", "sms")])
def test_an_intercom_conversation_knows_how_it_came(source: str, channel: str) -> None:
    (said, _) = _intercom_step(
        "conversation.admin.closed", part={"body": "<p>Bye</p>"}, source={"type": source, "id": "1"}
    ).events

    assert said.channel == channel


def test_a_picture_between_intercoms_words_is_a_file() -> None:
    event = _intercom(body='<div><img class="x" src="https://x/a.png?a=1&amp;b=2"></div>')

    assert isinstance(event, Interaction)
    assert [file.url for file in event.attachments] == ["https://x/a.png?a=1&b=2"]


def test_a_chatwoot_mail_keeps_its_subject_and_files_their_kind() -> None:
    body = {
        "event": "message_created",
        "id": 1,
        "message_type": "incoming",
        "content": None,
        "conversation": {"id": 7, "channel": "Channel::Email"},
        "content_attributes": {"email": {"subject": "Late order"}},
        "attachments": [{"file_type": "image", "data_url": "https://x/a.png"}, {"file_type": "location"}],
    }

    (event,) = _read("chatwoot", body).events

    assert isinstance(event, Interaction)
    assert (event.subject, event.channel) == ("Late order", "email")
    assert [kind for _, kind in _files(event)] == ["image/*", "application/geo+json"]


_CHATWOOT_CONVERSATION = {
    "event": "conversation_status_changed",
    "id": 207,
    "channel": "Channel::WebWidget",
    "contact_inbox": {"id": 180, "contact_id": 4},
    "messages": [{"id": 654, "account_id": 2, "conversation_id": 207, "message_type": 1, "content": "done"}],
    "meta": {"sender": {"id": 4, "email": None, "identifier": None, "phone_number": None}},
    "last_activity_at": 1772355600,
    "updated_at": 1772366000.25,
}


def _chatwoot_step(before: str, now: str) -> ChannelParse:
    changed = [{"status": {"previous_value": before, "current_value": now}}]
    return _read("chatwoot", {**_CHATWOOT_CONVERSATION, "status": now, "changed_attributes": changed})


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [("open", "resolved", TicketResolved), ("resolved", "open", TicketReopened)],
)
def test_a_chatwoot_conversation_is_resolved_and_reopened_when_it_changed(before: str, now: str, kind: type) -> None:
    (event,) = _chatwoot_step(before, now).events

    assert isinstance(event, TicketResolved | TicketReopened)
    assert type(event) is kind
    assert event.occurred_at.isoformat() == "2026-03-01T11:53:20.250000+00:00"
    assert (event.ticket_id, event.text) == ("207", None)


def test_other_changes_of_a_chatwoot_conversations_status_are_counted() -> None:
    assert dict(_chatwoot_step("pending", "open").ignored) == {"status_change": 1}


def test_a_chatwoot_conversations_customer_is_the_one_who_wrote_in_it() -> None:
    message = {
        "event": "message_created",
        "id": 654,
        "message_type": "incoming",
        "content": "hi",
        "account": {"id": 2, "name": "Shop"},
        "sender": {"id": 4, "type": "contact"},
    }

    (said,), (resolved,) = _read("chatwoot", message).events, _chatwoot_step("open", "resolved").events

    assert (resolved.source, resolved.customer.handles) == (said.source, said.customer.handles)


def test_a_chatwoot_contact_known_by_its_inbox_alone_is_the_contact() -> None:
    body = {**_CHATWOOT_CONVERSATION, "meta": {}, "conversation": _CHATWOOT_CONVERSATION, "status": "resolved"}
    inner = {**_CHATWOOT_CONVERSATION, "meta": {}}

    (event,) = _read("chatwoot", {**body, "conversation": inner}).events

    assert event.customer.handles == ["chatwoot:2/4"]


# Mastodon, WeChat, WeCom


_ACCOUNT = {"acct": "ana@m.example", "url": "https://m.example/@ana"}
_OWN_POST = {"id": "9", "content": "<p>our post</p>", "account": {"acct": "shop", "url": "https://s.example/@shop"}}


def test_a_favourite_is_a_reaction_and_not_the_companys_post_again() -> None:
    parse = _read("mastodon", {"id": "n", "type": "favourite", "account": _ACCOUNT, "status": _OWN_POST})

    (event,) = parse.events
    assert (event.attributes["kind"], event.attributes["message_id"]) == ("reaction", "9")
    assert event.customer.handles == ["mastodon:ana@m.example"]


@pytest.mark.parametrize("kind", ["reblog", "poll", "admin.report"])
def test_other_notifications_about_a_post_say_nothing(kind: str) -> None:
    assert _read("mastodon", {"id": "n", "type": kind, "account": _ACCOUNT, "status": _OWN_POST}).events == []


def test_a_direct_message_comes_as_its_conversations_last_post() -> None:
    post = {"id": "8", "content": "<p>late</p>", "account": _ACCOUNT}

    (event,) = _read("mastodon", {"event": "conversation", "payload": json.dumps({"last_status": post})}).events

    assert (event.id, event.text) == ("8", "late")


@pytest.mark.parametrize(
    ("provider", "event"),
    [
        ("wechat", "<Event>subscribe_msg_sent_event</Event>"),
        ("wechat", "<Event>kf_close_session</Event><KfAccount>a@b</KfAccount>"),
        (
            "wecom",
            (
                "<Event>change_external_contact</Event><ChangeType>edit_external_contact</ChangeType>"
                "<ExternalUserID>w1</ExternalUserID>"
            ),
        ),
    ],
)
def test_what_employees_and_the_platform_do_is_no_contact(provider: str, event: str) -> None:
    xml = (
        f"<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>{STAMP}</CreateTime>"
        f"<MsgType>event</MsgType>{event}</xml>"
    )

    parse = CHANNELS[provider].read(ChannelRequest("POST", "", {}, None, xml, NOW), {})

    assert (parse.events, parse.ignored) == ([], {"platform_event": 1})


def _mini_program() -> dict[str, Any]:
    return {
        "ToUserName": "gh_1",
        "FromUserName": "o1",
        "CreateTime": int(UNIX),
        "MsgType": "text",
        "Content": "还没发货",
        "MsgId": 1234567890123456,
    }


def test_a_mini_programs_message_may_be_json() -> None:
    (event,) = _read("wechat", _mini_program()).events

    assert (event.id, event.text, event.customer.handles) == ("1234567890123456", "还没发货", ["wechat:gh_1/o1"])


def test_a_mini_programs_json_may_be_sealed() -> None:
    ciphertext = sealed(json.dumps(_mini_program()).encode(), "own_1")
    signature = hashlib.sha1("".join(sorted(["token", UNIX, "n", ciphertext])).encode()).hexdigest()
    url = f"https://h.example/?msg_signature={signature}&timestamp={UNIX}&nonce=n"
    body = json.dumps({"ToUserName": "gh_1", "Encrypt": ciphertext, "Content": "forged"})
    credentials = {"token": "token", "encoding_aes_key": AES_KEY, "app_id": "own_1"}
    request = ChannelRequest("POST", url, {}, None, body, NOW)

    CHANNELS["wechat"].verify(request, credentials)

    assert [event.text for event in CHANNELS["wechat"].parse(request, credentials)] == ["还没发货"]


@pytest.mark.parametrize("body", [b'{"a":"' + b"x" * 1_000_001 + b'"}', json.dumps({str(n): 1 for n in range(5_001)})])
def test_a_mini_programs_json_is_bounded(body: bytes | str) -> None:
    with pytest.raises(PayloadError):
        CHANNELS["wechat"].read(ChannelRequest("POST", "", {}, None, body, NOW), {})


def test_plain_json_does_not_pass_where_messages_are_sealed() -> None:
    request = ChannelRequest("POST", "", {}, None, json.dumps(_mini_program()), NOW)

    with pytest.raises(SignatureError):
        CHANNELS["wechat"].verify(request, {"token": "t", "encoding_aes_key": AES_KEY, "app_id": "own_1"})


# Mail of the company's own


@pytest.mark.parametrize(
    ("to", "more", "whose"),
    [
        ("help@shop.example", "Reply-To: Ana <ana@example.com>", ("inbound", "customer", ["mailto:ana@example.com"])),
        ("help@shop.example", "X-Original-From: ana@example.com", ("inbound", "customer", ["mailto:ana@example.com"])),
        ("help@shop.example", "Reply-To: us@shop.example", ("outbound", "agent", [])),
        ("us@shop.example, bob@example.com", "", ("outbound", "agent", ["mailto:bob@example.com"])),
        ("us@shop.example", "Cc: bob@example.com", ("outbound", "agent", ["mailto:bob@example.com"])),
        ("bob@example.com", "Reply-To: ana@example.com", ("outbound", "agent", ["mailto:bob@example.com"])),
    ],
    ids=["a form", "a group that rewrites", "colleagues", "one of ours first", "a copy", "a mail to a customer"],
)
def test_what_the_company_sends_to_itself_for_a_stranger_is_the_strangers(
    to: str, more: str, whose: tuple[Any, ...]
) -> None:
    raw = f"From: Shop <form@shop.example>\r\nTo: {to}\r\n{more}\r\nSubject: Hi\r\n\r\nWhere is it?"
    credentials = {"recipients": "@shop.example", "own_addresses": ["@shop.example"]}

    (event,) = CHANNELS["smtp"].parse(ChannelRequest("POST", "", {}, None, raw, NOW), credentials)

    assert _whose(event) == whose
    assert event.attributes.get("sent_by") == ("form@shop.example" if whose[0] == "inbound" else None)


def test_a_postmark_mail_may_say_that_it_is_inbound() -> None:
    body = {"RecordType": "Inbound", "FromFull": {"Email": "ana@example.com"}, "TextBody": "hi", "MessageID": "p"}

    (event,) = _read("postmark", body).events

    assert _whose(event) == ("inbound", "customer", ["mailto:ana@example.com"])


def test_postmark_names_whom_to_answer_beside_the_headers() -> None:
    body = {
        "FromFull": {"Email": "form@shop.example"},
        "ToFull": [{"Email": "help@shop.example"}],
        "ReplyTo": "ana@example.com",
        "TextBody": "hi",
        "MessageID": "p",
    }

    (event,) = _read("postmark", body, own_addresses="@shop.example").events

    assert _whose(event) == ("inbound", "customer", ["mailto:ana@example.com"])


# Lists, ids and keys


def test_acts_of_one_moment_without_ids_stay_apart() -> None:
    calls = [{"type": "track", "userId": "u", "event": name} for name in ("Plan Viewed", "Plan Cancelled")]

    events = _read("segment", {"batch": calls}).events

    assert len({event.id for event in events}) == 2


def test_null_data_in_base64_is_no_data_in_base64() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "x", "data": {"a": 1}, "data_base64": None}

    assert _read("cloudevents", event).events[0].attributes["data"] == '{"a":1}'


@pytest.mark.parametrize(
    ("sent", "read"), [('"a \\"b\\" c"', 'a "b" c'), ("Euro%20%E2%82%AC", "Euro €"), ('"', '"'), ('"%22x%22"', '"x"')]
)
def test_a_cloudevents_header_may_be_quoted_and_escaped(sent: str, read: str) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "x", "ce-subject": sent}

    (event,) = CHANNELS["cloudevents"].read(ChannelRequest("POST", "", headers, None, b"", NOW), {}).events

    assert event.attributes["ce_subject"] == read


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ('filename="a b.pdf"', "a b.pdf"),
        ("filename*=UTF-8''%E9%80%80%E6%AC%BE.pdf", "退款.pdf"),
        ("filename*=no-such''a%20b.pdf", "no-such''a%20b.pdf"),
    ],
)
def test_a_forms_file_keeps_its_name_however_encoded(parameter: str, name: str) -> None:
    body = f'--b\r\nContent-Disposition: form-data; name="f"; {parameter}\r\n\r\nx\r\n--b--\r\n'

    (part,) = multipart_parts(body.encode(), "multipart/form-data; boundary=b")

    assert (part.name, part.filename, part.content) == ("f", name, b"x")


def test_the_longest_transcript_still_fits_a_record() -> None:
    words = {"Content": "退" * 300_000, "ParticipantId": "c"}
    body = {"Participants": [{"ParticipantId": "c", "ParticipantRole": "CUSTOMER"}], "Transcript": [words]}

    (event,) = _read("amazon_connect", body).events

    assert len(encode(event)) < 1_000_000


def test_a_bad_element_of_a_list_is_told_and_the_others_taken() -> None:
    own = {"type": "interaction", "customer": {"id": "c"}, "text": "hi"}

    parse = _read("standard_webhooks", [{**own, "id": "1"}, {"type": "interaction"}, {**own, "id": "3"}])
    mails = _read("sendgrid", [7, {"event": "unsubscribe", "email": "a@example.com", "sg_event_id": "e"}])

    assert [event.id for event in parse.events] == ["1", "3"]
    assert [error.pointer for error in parse.refused] == ["/1/id"]
    assert ([event.id for event in mails.events], [error.pointer for error in mails.refused]) == (["e"], ["/0"])


def test_a_list_without_a_single_good_element_is_refused() -> None:
    with pytest.raises(PayloadError):
        _read("standard_webhooks", [5, {"type": "interaction"}])


def _signed(private: Ed25519PrivateKey, body: bytes) -> ChannelRequest:
    signature = base64.b64encode(private.sign(b"msg_1." + UNIX.encode() + b"." + body)).decode()
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": UNIX,
        "webhook-signature": f"v1,AAAA v1a,{signature}",
    }
    return ChannelRequest("POST", "", headers, None, body, NOW)


def test_an_ed25519_signature_is_held_against_the_public_key() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    other = "whpk_" + base64.b64encode(bytes(range(1, 33))).decode()
    genuine = _signed(private, b"{}")

    CHANNELS["standard_webhooks"].verify(genuine, {"secret": [other, public]})

    changed = ChannelRequest("POST", "", genuine.headers, None, b"{ }", NOW)
    for request, secret in ((changed, public), (genuine, other), (genuine, "whsec_AAAA"), (genuine, "whpk_AAAA")):
        with pytest.raises(SignatureError):
            CHANNELS["standard_webhooks"].verify(request, {"secret": secret})


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("smtp", b"From: ana@example.com\r\nSubject: Hi\r\n\r\nWhere is it?"),
        ("zendesk", b'{"ticket_id": 5, "comment": "late again", "requester_email": "ana@example.com"}'),
        ("segment", b'{"type": "track", "event": "Cart Viewed", "userId": "c-7"}'),
    ],
)
def test_a_delivery_without_id_or_time_is_the_same_when_it_comes_again(provider: str, body: bytes) -> None:
    channel = CHANNELS[provider]
    later = NOW + timedelta(minutes=1)

    (first,) = channel.parse(ChannelRequest(body=body, received_at=NOW), {})
    (again,) = channel.parse(ChannelRequest(body=body, received_at=later), {})
    (other,) = channel.parse(ChannelRequest(body=body + b" ", received_at=NOW), {})

    assert (again.source, again.id) == (first.source, first.id)
    assert other.id != first.id


@pytest.mark.parametrize("prefix", ["svix-", "webhook-"])
def test_a_signature_counts_under_either_of_its_names(prefix: str) -> None:
    key = b"k" * 24
    body = b'{"type": "interaction", "data": {"source": "shop", "customer": {"id": "c-7"}, "text": "hi"}}'
    old, new = (
        base64.b64encode(hmac.digest(secret, b"msg_1." + UNIX.encode() + b"." + body, "sha256")).decode()
        for secret in (b"o" * 24, key)
    )
    stray = {"webhook-id": "another", "svix-id": "another"}
    signed = {f"{prefix}id": "msg_1", f"{prefix}timestamp": UNIX, f"{prefix}signature": f"v1,{old} v1,{new}"}
    genuine = ChannelRequest("POST", "", {**stray, **signed}, None, body, NOW)

    CHANNELS["standard_webhooks"].verify(genuine, {"secret": "whsec_" + base64.b64encode(key).decode()})
    (event,) = CHANNELS["standard_webhooks"].parse(genuine, {})

    assert event.id == "msg_1"


def test_a_byte_order_mark_before_the_document_is_passed_over() -> None:
    body = b'\xef\xbb\xbf{"type": "interaction", "data": {"id": "1", "source": "shop", "customer": {"id": "c"}}}'

    (event,) = CHANNELS["standard_webhooks"].parse(ChannelRequest(body=body, received_at=NOW), {})

    assert event.id == "1"
