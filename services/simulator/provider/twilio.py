"""Twilio: SMS and finished calls with their transcript. Neither carries a time: both happen when they arrive.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security (base64 HMAC-SHA1 of the URL and the sorted form).
"""

from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from services.simulator.life.model import Person, Said
from services.simulator.provider.model import (
    Deliveries,
    Provider,
    Secrets,
    Signed,
    Unsigned,
    base64_hmac,
    hex_id,
    one_secret,
)

_FORM = "application/x-www-form-urlencoded"
_OWN_NUMBER = "+12025550143"


def _say(person: Person, said: Said) -> Deliveries:
    if said.speaker != "customer":
        return []
    key = f"{person.id}-m{said.turn}"
    if said.medium == "sms":
        fields = {
            "MessageSid": "SM" + hex_id(key),
            "AccountSid": "AC" + hex_id("account"),
            "From": person.phone,
            "To": _OWN_NUMBER,
            "Body": said.text,
            "NumMedia": "0",
            "SmsStatus": "received",
        }
        return [_form(key, fields)]
    if said.medium != "phone":
        return []
    call = {
        "CallSid": "CA" + hex_id(key),
        "AccountSid": "AC" + hex_id("account"),
        "From": person.phone,
        "To": _OWN_NUMBER,
        "Direction": "inbound",
        "CallerName": person.name,
    }
    transcript = {
        **call,
        "TranscriptionSid": "TR" + hex_id(key),
        "TranscriptionText": said.text,
        "TranscriptionStatus": "completed",
    }
    over = {**call, "CallStatus": "completed", "CallDuration": str(said.seconds)}
    return [_form(key, over), _form(f"{key}-transcript", transcript)]


def _form(key: str, fields: dict[str, str]) -> Unsigned:
    return Unsigned(provider="twilio", key=key, body=urlencode(fields).encode(), media_type=_FORM)


def _sign(delivery: Unsigned, secrets: Secrets, url: str, _: datetime) -> Signed:
    fields = parse_qsl(delivery.body.decode(), keep_blank_values=True)
    signed = url + "".join(name + value for name, value in sorted(fields))
    signature = base64_hmac(secrets["auth_token"], signed.encode(), "sha1")
    return Signed(body=delivery.body, headers={"Content-Type": _FORM, "X-Twilio-Signature": signature})


TWILIO = Provider(name="twilio", sign=_sign, make_secrets=one_secret("auth_token"), carries_time=False, say=_say)
