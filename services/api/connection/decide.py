"""What a connection's credentials and settings may be, and what rotating them does. Pure."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from msgspec import Struct

from shared.connection.document import Secret
from shared.connection.provider import FILE_ONLY_SETTINGS, PROVIDERS, ProviderSpec, port_of
from shared.errors import Reject

_ED25519_KEY_BYTES = 32
_AES_KEY = re.compile(r"^[A-Za-z0-9+/]{43}$")
_TOPIC_ARN = re.compile(r"^arn:aws(-[a-z]+)*:sns:[a-z0-9-]{1,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")
_LANGUAGE = re.compile(r"^[a-z]{2,3}$")
_REGION = re.compile(r"^[A-Z]{2}$")
_MAILBOX_ADDRESS = ("imap_host", "imap_port", "imap_username")
_HOST = re.compile(r"^[A-Za-z0-9.-]{1,253}$")


class Credentials(Struct, frozen=True, kw_only=True):
    """The credentials in force, and those they replaced while these are still accepted."""

    current: dict[str, Secret]
    previous: dict[str, Secret] = {}

    def accepted(self) -> dict[str, Secret]:
        """Return every value in force by name, the current one first."""
        return {name: _joined(value, self.previous.get(name)) for name, value in self.current.items()}


def provider_of(name: str) -> ProviderSpec:
    """Return the provider. Raises `Reject` at /provider."""
    spec = PROVIDERS.get(name)
    if spec is None:
        raise Reject(f"not a provider; the providers are {', '.join(sorted(PROVIDERS))}", "/provider")
    return spec


def check_new(spec: ProviderSpec, credentials: Mapping[str, Secret], settings: Mapping[str, Any]) -> None:
    """Raise `Reject` with the pointer of what is missing, unknown or malformed."""
    for credential in spec.credentials:
        if credential.required and credential.name not in credentials:
            raise Reject(f"is needed: {credential.description_en}", f"/credentials/{credential.name}")
    check_credentials(spec, credentials)
    check_settings(spec, settings)
    if spec.provider == "smtp" and "imap_password" not in credentials:
        raise Reject("is needed: the password of the mailbox", "/credentials/imap_password")


def check_credentials(spec: ProviderSpec, credentials: Mapping[str, Secret]) -> None:
    """Raise `Reject` for a credential the provider does not have, or that cannot be one."""
    known = [credential.name for credential in spec.credentials]
    for name, value in credentials.items():
        if name not in known:
            raise Reject(f"{spec.provider} has no such credential; it has {', '.join(known)}", f"/credentials/{name}")
        for text in [value] if isinstance(value, str) else value:
            if text != text.strip() or any(ord(character) < 32 for character in text):
                raise Reject("begins or ends with a space, or holds a control character", f"/credentials/{name}")
            if (check := _FORMATS.get((spec.provider, name))) is not None and (fault := check(text)) is not None:
                raise Reject(fault, f"/credentials/{name}")


def check_settings(spec: ProviderSpec, settings: Mapping[str, Any]) -> None:
    """Raise `Reject` for a setting the provider does not have, or whose value cannot be one."""
    for name, value in settings.items():
        pointer = f"/settings/{name}"
        if name not in spec.settings:
            raise Reject(f"{spec.provider} has no such setting; it has {', '.join(spec.settings) or 'none'}", pointer)
        if name in FILE_ONLY_SETTINGS:
            raise Reject("concerns the machine ingest runs on: only its connections file may set it", pointer)
        if (fault := _setting_fault(name, value)) is not None:
            raise Reject(fault, pointer)
    for name in ("imap_host", "imap_username") if spec.provider == "smtp" else ():
        if name not in settings:
            raise Reject("is needed: a mail connection made here polls a mailbox by IMAP", f"/settings/{name}")


def check_moved(old: Mapping[str, Any], new: Mapping[str, Any], credentials: Mapping[str, Secret]) -> None:
    """Raise `Reject` where settings would send a stored password to another mailbox's server.

    Credentials are never told again: who does not know the password must not have it sent to a server of his.
    """
    moved = next((name for name in _MAILBOX_ADDRESS if old.get(name) != new.get(name)), None)
    if moved is not None and "imap_password" not in credentials:
        raise Reject("names another mailbox: send its imap_password along", f"/settings/{moved}")


def rotated(old: Credentials, new: Mapping[str, Secret]) -> Credentials:
    """Return the credentials after `new` came into force; what it replaces stays accepted, what came before ends."""
    replaced = {name: old.current[name] for name, value in new.items() if old.current.get(name, value) != value}
    return Credentials(current={**old.current, **new}, previous={**old.previous, **replaced})


def without_previous(credentials: Credentials) -> Credentials:
    return Credentials(current=credentials.current)


def _joined(current: Secret, previous: Secret | None) -> Secret:
    if previous is None:
        return current
    values = [value for part in (current, previous) for value in ([part] if isinstance(part, str) else part)]
    return list(dict.fromkeys(values))


def _setting_fault(name: str, value: Any) -> str | None:
    if name == "imap_port":
        return "is a port, 1 to 65535" if port_of(value) is None else None
    if name == "own_addresses" and isinstance(value, list):
        is_list = len(value) <= 64 and all(_is_text(item) and "@" in item for item in value)
        return None if is_list else "is a list of at most 64 addresses"
    if not _is_text(value):
        return "is a text of 1 to 320 characters"
    pattern, meaning = _SETTING_PATTERNS.get(name, (None, ""))
    return meaning if pattern is not None and not pattern.match(value) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 320 and value.isprintable()


_SETTING_PATTERNS: dict[str, tuple[re.Pattern[str], str]] = {
    "language": (_LANGUAGE, "is a language code such as en or zh"),
    "default_region": (_REGION, "is a country's two capital letters, such as US"),
    "imap_host": (_HOST, "is a host name"),
}


def _aes_key_fault(text: str) -> str | None:
    return None if _AES_KEY.match(text) else "is 43 letters and digits, as the provider's page shows"


def _topic_fault(text: str) -> str | None:
    return None if _TOPIC_ARN.match(text) else "is the ARN of a topic, arn:aws:sns:<region>:<account>:<name>"


def _webhook_secret_fault(text: str) -> str | None:
    is_public = text.startswith("whpk_")
    encoded = text.removeprefix("whpk_" if is_public else "whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if is_public:
        return None if len(key) == _ED25519_KEY_BYTES else "is base64 of an ed25519 key, 32 bytes, after whpk_"
    return None if key else "is base64, with or without whsec_ before it"


def _public_key_fault(text: str) -> str | None:
    try:
        is_pem = text.startswith("-----BEGIN")
        key = load_pem_public_key(text.encode()) if is_pem else load_der_public_key(base64.b64decode(text))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "is no public key: paste the verification key SendGrid shows"
    return None if isinstance(key, EllipticCurvePublicKey) else "is no elliptic-curve key"


_FORMATS: dict[tuple[str, str], Callable[[str], str | None]] = {
    ("wechat", "encoding_aes_key"): _aes_key_fault,
    ("wecom", "encoding_aes_key"): _aes_key_fault,
    ("amazon_connect", "topic_arn"): _topic_fault,
    ("standard_webhooks", "secret"): _webhook_secret_fault,
    ("sendgrid", "public_key"): _public_key_fault,
}
