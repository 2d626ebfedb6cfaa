"""Our signature checks agree with the providers' own libraries, on good and on forged deliveries."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.signature import Clock, SignatureVerifier
from standardwebhooks import Webhook, WebhookVerificationError

from services.ingest.channel import CHANNELS, ChannelRequest, SignatureError
from services.ingest.channel.signature import strict_base64

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class SlackClock(Clock):
    def now(self) -> float:
        return NOW.timestamp()


def _is_verified(provider: str, request: ChannelRequest, **credentials: str) -> bool:
    try:
        CHANNELS[provider].verify(request, credentials)
    except SignatureError:
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(body=st.text(max_size=80), age=st.integers(-400, 400), forged=st.sampled_from(["", "x"]))
def test_slack_is_judged_as_slacks_sdk_does(body: str, age: int, forged: str) -> None:
    oracle = SignatureVerifier("secret", SlackClock())
    timestamp = str(int((NOW - timedelta(seconds=age)).timestamp()))
    signature = oracle.generate_signature(timestamp=timestamp, body=body) or ""
    headers = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature + forged}

    request = ChannelRequest("POST", "", headers, None, body.encode(), NOW)

    assert _is_verified("slack", request, signing_secret="secret") == oracle.is_valid_request(body, headers)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=80), message_id=st.text("abc_123", min_size=1, max_size=20))
def test_what_the_standard_webhooks_library_signs_is_accepted(body: bytes, message_id: str) -> None:
    text = body.decode("latin-1")
    signature = Webhook("whsec_c2VjcmV0LW9mLXRoZS1zaG9w").sign(message_id, NOW, text)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": f"v2,other v1,AAAA {signature}",
    }

    request = ChannelRequest("POST", "", headers, None, text.encode(), NOW)

    assert _is_verified("standard_webhooks", request, secret="whsec_c2VjcmV0LW9mLXRoZS1zaG9w")
    assert not _is_verified("standard_webhooks", request, secret="whsec_b3RoZXI=")


def test_what_the_standard_webhooks_library_refuses_is_refused() -> None:
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(int(datetime.now(UTC).timestamp())),
        "webhook-signature": "v1,AAAA",
    }

    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_c2VjcmV0").verify(b"{}", headers)

    assert not _is_verified("standard_webhooks", ChannelRequest(headers=headers, received_at=NOW), secret="c2VjcmV0")


@pytest.mark.parametrize("text", ["AA==garbage", "AA", "AB==", "A A==", "AA==\n", "é", "AA=", "-_=="])
def test_base64_that_is_not_canonical_is_refused(text: str) -> None:
    assert strict_base64(text) is None


def test_canonical_base64_is_decoded() -> None:
    assert strict_base64("c2VjcmV0") == b"secret"
