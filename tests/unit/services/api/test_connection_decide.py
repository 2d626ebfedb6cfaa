"""Credentials and settings are checked with the pointer of what is wrong; a rotation keeps two values in force."""

from typing import Any

import pytest

from services.api.connection.decide import Credentials, check_moved, check_new, provider_of, rotated, without_previous
from shared.errors import Reject

MAILBOX = {"imap_host": "imap.example.com", "imap_username": "support"}


def pointer_of(provider: str, credentials: dict[str, Any], settings: dict[str, Any]) -> str:
    with pytest.raises(Reject) as refused:
        check_new(provider_of(provider), credentials, settings)
    return refused.value.pointer


@pytest.mark.parametrize(
    ("provider", "credentials", "settings", "pointer"),
    [
        ("fax", {}, {}, "/provider"),
        ("slack", {}, {}, "/credentials/signing_secret"),
        ("slack", {"signing_secret": "s", "token": "t"}, {}, "/credentials/token"),
        ("slack", {"signing_secret": " s"}, {}, "/credentials/signing_secret"),
        ("slack", {"signing_secret": ["s", "t\n"]}, {}, "/credentials/signing_secret"),
        ("slack", {"signing_secret": "s"}, {"color": "red"}, "/settings/color"),
        ("wecom", {"token": "t", "corp_id": "c", "encoding_aes_key": "short"}, {}, "/credentials/encoding_aes_key"),
        ("amazon_connect", {"topic_arn": "calls"}, {}, "/credentials/topic_arn"),
        ("standard_webhooks", {"secret": "whsec_!"}, {}, "/credentials/secret"),
        ("standard_webhooks", {"secret": "whpk_AAAA"}, {}, "/credentials/secret"),
        ("sendgrid", {"public_key": "AAAA"}, {}, "/credentials/public_key"),
        ("twilio", {"auth_token": "t"}, {"default_region": "Germany"}, "/settings/default_region"),
        ("twilio", {"auth_token": "t"}, {"default_region": 49}, "/settings/default_region"),
        ("smtp", {"imap_password": "p"}, {}, "/settings/imap_host"),
        ("smtp", {"recipients": "a@example.com"}, MAILBOX, "/credentials/imap_password"),
        ("smtp", {"imap_password": "p"}, {**MAILBOX, "listen_port": 25}, "/settings/listen_port"),
        ("smtp", {"imap_password": "p"}, {**MAILBOX, "imap_port": True}, "/settings/imap_port"),
        ("smtp", {"imap_password": "p"}, {**MAILBOX, "own_addresses": ["\x00@"]}, "/settings/own_addresses"),
    ],
)
def test_wrong_connection_is_refused_at_its_pointer(
    provider: str, credentials: dict[str, Any], settings: dict[str, Any], pointer: str
) -> None:
    assert pointer_of(provider, credentials, settings) == pointer


@pytest.mark.parametrize(
    "moved", [{"imap_host": "imap.evil.example"}, {"imap_port": 994}, {"imap_username": "other"}], ids=str
)
def test_a_mailbox_moves_only_along_with_its_password(moved: dict[str, Any]) -> None:
    with pytest.raises(Reject) as refused:
        check_moved(MAILBOX, {**MAILBOX, **moved}, {})
    check_moved(MAILBOX, {**MAILBOX, **moved}, {"imap_password": "its own"})

    assert refused.value.pointer == f"/settings/{next(iter(moved))}"


def test_a_mailbox_that_stays_needs_no_password() -> None:
    check_moved(MAILBOX, {**MAILBOX, "language": "zh"}, {})


def test_a_public_key_may_stand_for_the_secret() -> None:
    check_new(provider_of("standard_webhooks"), {"secret": "whpk_" + "A" * 42 + "8="}, {})


def test_optional_credential_may_be_left_out() -> None:
    check_new(provider_of("wechat"), {"token": "t", "app_id": "wx1"}, {})


def test_rotation_accepts_the_new_and_the_replaced() -> None:
    after = rotated(Credentials(current={"token": "old", "app_id": "a"}), {"token": "new"})

    assert after.accepted() == {"token": ["new", "old"], "app_id": "a"}


def test_second_rotation_ends_the_oldest() -> None:
    once = rotated(Credentials(current={"token": "1"}), {"token": "2"})

    assert rotated(once, {"token": "3"}).accepted() == {"token": ["3", "2"]}


def test_same_value_again_is_no_rotation() -> None:
    assert rotated(Credentials(current={"token": "1"}), {"token": "1"}).previous == {}


def test_dropping_the_previous_leaves_the_current() -> None:
    once = rotated(Credentials(current={"token": "1"}), {"token": "2"})

    assert without_previous(once).accepted() == {"token": "2"}
