"""Amazon SNS over HTTPS: whose message it is. The certificate comes from the caller, from Amazon's addresses only.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from services.ingest.channel.payload import Json, instant_of, text_of
from services.ingest.channel.ports import Credentials, SignatureError, setting_list
from services.ingest.channel.signature import require_fresh, require_match, strict_base64, utf8

WINDOW = timedelta(hours=1)
CertificateSource = Callable[[str], bytes | str | None]
_HOST = re.compile(r"^sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?$")
_CERTIFICATE_PATH = re.compile(r"^/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem$")
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED_MEMBERS = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_HASHES: dict[str, Callable[[], HashAlgorithm]] = {"1": SHA1, "2": SHA256}


def certificate_url(message: dict[str, Json]) -> str | None:
    """Return where the signing certificate may be fetched, when that is Amazon's own HTTPS address; else None."""
    return _amazon_url(text_of(message, "SigningCertURL"), _CERTIFICATE_PATH)


def subscribe_url(message: dict[str, Json]) -> str | None:
    """Return the address that confirms a subscription, when it is Amazon's own; call it only after verifying."""
    if message.get("Type") != "SubscriptionConfirmation":
        return None
    return _amazon_url(text_of(message, "SubscribeURL"), re.compile(r"^/?$"))


def _amazon_url(url: str | None, path: re.Pattern[str]) -> str | None:
    if url is None or len(url) > 2_000 or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return None
    is_plain = parts.scheme == "https" and port in (None, 443) and not parts.username and not parts.fragment
    return url if is_plain and _HOST.match(host) and path.match(parts.path) else None


def require_sns_signature(
    message: dict[str, Json], credentials: Credentials, now: datetime, source: CertificateSource | None
) -> None:
    """Raise `SignatureError` unless Amazon signed the message, for one of our topics, lately.

    The certificate is looked up under its address: first in the credential `signing_certificates` (address → PEM), then
    through `source`.
    """
    topics = setting_list(credentials, "topic_arn")
    if not topics:
        raise SignatureError("the connection has no topic_arn")
    require_match(topics, text_of(message, "TopicArn") or "", "topic")
    url = certificate_url(message)
    if url is None:
        raise SignatureError("the certificate is not at Amazon's address")
    key = _key_at(url, credentials, source, now)
    signature = strict_base64(text_of(message, "Signature") or "")
    hash_of = _HASHES.get(text_of(message, "SignatureVersion") or "")
    if not signature or hash_of is None:
        raise SignatureError("the signature or its version is missing")
    try:
        key.verify(signature, string_to_sign(message), PKCS1v15(), hash_of())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise SignatureError("the signature does not match") from error
    stamp = instant_of(text_of(message, "Timestamp"))
    if stamp is None:
        raise SignatureError("the timestamp is no date")
    require_fresh(stamp, now, WINDOW)


def string_to_sign(message: dict[str, Json]) -> bytes:
    """Return the signed members in alphabetical order, name and value on a line each."""
    names = _SIGNED_MEMBERS.get(str(message.get("Type")), ())
    pairs = [(name, message.get(name)) for name in names]
    return b"".join(utf8(f"{name}\n{value}\n") for name, value in pairs if isinstance(value, str))


def _key_at(url: str, credentials: Credentials, source: CertificateSource | None, now: datetime) -> RSAPublicKey:
    stored = credentials.get("signing_certificates")
    pem: bytes | str | None = stored.get(url) if isinstance(stored, Mapping) else None
    if pem is None and source is not None:
        pem = source(url)
    if pem is None:
        raise SignatureError("the signing certificate is not known yet")
    try:
        certificate = x509.load_pem_x509_certificate(utf8(pem) if isinstance(pem, str) else pem)
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignatureError("the signing certificate cannot be read") from error
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise SignatureError("the signing certificate is out of date")
    if not isinstance(key, RSAPublicKey):
        raise SignatureError("the signing certificate holds no RSA key")
    return key
