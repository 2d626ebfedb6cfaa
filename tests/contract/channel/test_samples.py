"""What the API sends to test a connection is what ingest verifies and reads; both know the same providers."""

import base64
from datetime import UTC, datetime

import pytest

from services.api.connection.decide import check_new
from services.api.connection.sample import CannotSignError, Moment, sample
from services.ingest.channel import CHANNELS, CREDENTIALS, PROVIDERS, ChannelRequest, SignatureError
from services.ingest.channel.phone.amazon_connect import AmazonConnect
from services.ingest.channel.ports import Channel
from shared.connection.provider import PROVIDERS as LISTED
from tests.contract.channel.signed import AES_KEY, delivery

URL = "https://hooks.example.com/v1/channels/shop"
MOMENT = Moment(id="0123456789abcdef0123456789abcdef", at=datetime(2026, 3, 1, 12, tzinfo=UTC))
ONLY_THE_PROVIDER = {"sendgrid", "amazon_connect"}
SIGNABLE = sorted(set(PROVIDERS) - ONLY_THE_PROVIDER - {"smtp"})
OWN = {
    "encoding_aes_key": AES_KEY,
    "secret": "whsec_" + base64.b64encode(b"correct-horse-battery-staple").decode(),
    "topic_arn": "arn:aws:sns:eu-west-1:123456789012:calls",
    "public_key": delivery("sendgrid").credentials["public_key"],
}


def credentials_of(provider: str) -> dict[str, str | list[str]]:
    return {name: OWN.get(name, f"{name}-of-the-shop") for name in CREDENTIALS[provider]}


@pytest.mark.parametrize("provider", SIGNABLE)
def test_sample_is_verified_and_holds_an_event(provider: str) -> None:
    credentials = credentials_of(provider)
    check_new(LISTED[provider], credentials, {})
    made = sample(provider, credentials, URL, MOMENT)
    request = ChannelRequest("POST", made.url, made.headers, body=made.body, received_at=MOMENT.at)

    CHANNELS[provider].verify(request, credentials)

    assert len(CHANNELS[provider].parse(request, credentials)) == 1


@pytest.mark.parametrize("provider", SIGNABLE)
def test_sample_of_another_secret_is_refused(provider: str) -> None:
    credentials = credentials_of(provider)
    others = {name: value if name in OWN and name != "secret" else f"{value}x" for name, value in credentials.items()}
    others |= {"secret": "whsec_" + base64.b64encode(b"another").decode()} if "secret" in credentials else {}
    made = sample(provider, credentials, URL, MOMENT)
    request = ChannelRequest("POST", made.url, made.headers, body=made.body, received_at=MOMENT.at)

    with pytest.raises(SignatureError):
        CHANNELS[provider].verify(request, others)


def test_wechat_in_plaintext_mode_has_a_sample_too() -> None:
    credentials = {"token": "t", "app_id": "wx1"}
    made = sample("wechat", credentials, URL, MOMENT)
    request = ChannelRequest("POST", made.url, made.headers, body=made.body, received_at=MOMENT.at)

    CHANNELS["wechat"].verify(request, credentials)


@pytest.mark.parametrize("provider", sorted(ONLY_THE_PROVIDER))
def test_what_only_the_provider_can_sign_is_said(provider: str) -> None:
    with pytest.raises(CannotSignError, match="a key only it has"):
        sample(provider, credentials_of(provider), URL, MOMENT)


def test_a_sender_with_a_key_of_its_own_is_asked_to_send() -> None:
    with pytest.raises(CannotSignError, match="a key only it has"):
        sample("standard_webhooks", {"secret": "whpk_" + "A" * 42 + "8="}, URL, MOMENT)


def test_rotated_credentials_sign_with_the_newest() -> None:
    made = sample("telegram", {"secret_token": ["new", "old"]}, URL, MOMENT)

    assert made.headers["X-Telegram-Bot-Api-Secret-Token"] == "new"


def test_api_lists_ingests_providers_with_their_credentials() -> None:
    listed = {name: {one.name for one in spec.credentials} - {"imap_password"} for name, spec in LISTED.items()}

    assert listed == {name: set(names) for name, names in CREDENTIALS.items()}


def test_api_says_who_checks_the_address_first() -> None:
    asking = {name for name, channel in PROVIDERS.items() if type(channel).challenge is not Channel.challenge}

    assert {name for name, spec in LISTED.items() if spec.has_challenge} == asking | {AmazonConnect.name}
