"""Signatures of outgoing notifications. Pure.

Sources: Standard Webhooks 1.0 (symmetric signatures); DingTalk and Feishu custom bot documentation, "sign" security.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from urllib.parse import quote_plus

SECRET_PREFIX = "whsec_"  # noqa: S105 - a public prefix


def new_signing_secret() -> str:
    """Return a fresh Standard Webhooks secret of 24 bytes of chance."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def is_signing_secret(secret: str) -> bool:
    """Return whether a secret is one of Standard Webhooks' kind, 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return False
    return secret.startswith(SECRET_PREFIX) and 24 <= len(key) <= 64


def webhook_headers(secret: str, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the three headers a Standard Webhooks receiver checks."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp_s), "webhook-signature": f"v1,{signature}"}


def dingtalk_query(secret: str, timestamp_ms: int) -> str:
    """Return what is added to a DingTalk bot's address."""
    digest = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return f"timestamp={timestamp_ms}&sign={quote_plus(base64.b64encode(digest))}"


def feishu_fields(secret: str, timestamp_s: int) -> dict[str, str]:
    """Return what is added to a Feishu bot's message; the key is the text to sign, the message is empty."""
    digest = hmac.new(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": str(timestamp_s), "sign": base64.b64encode(digest).decode()}
