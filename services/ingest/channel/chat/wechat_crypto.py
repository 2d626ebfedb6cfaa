"""Tencent's message encryption, shared by WeChat and WeCom: SHA-1 over sorted parts, AES-256-CBC with 32-byte padding.

Source: https://developer.work.weixin.qq.com/document/path/90968
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from xml.etree.ElementTree import Element, SubElement

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from services.ingest.channel.payload import (
    MAX_XML_BYTES,
    MAX_XML_TAGS,
    json_object,
    text_of,
    xml_root,
    xml_texts,
)
from services.ingest.channel.ports import ChannelRequest, Credentials, PayloadError, SignatureError, secrets_of
from services.ingest.channel.signature import equal, require_match, require_unix_fresh, sha1_of_sorted, utf8

WINDOW = timedelta(hours=1)
_PADDING_BLOCK = 32  # not AES's 16: Tencent pads to 32 bytes
_RANDOM_PREFIX = 16
_KEY_LENGTH = 43


def document_root(body: bytes) -> Element:
    """Return the message's document; a mini program's may be JSON with the same members. Raises `PayloadError`."""
    if not body.lstrip().startswith(b"{"):
        return xml_root(body)
    if len(body) > MAX_XML_BYTES:
        raise PayloadError(f"the body is larger than {MAX_XML_BYTES} bytes")
    members = json_object(body)
    if len(members) > MAX_XML_TAGS:
        raise PayloadError(f"the body has more than {MAX_XML_TAGS} members")
    root = Element("xml")
    for name, value in members.items():
        SubElement(root, name).text = text_of(value)
    return root


def ciphertext_of(body: bytes) -> str | None:
    """Return the text of `Encrypt` in a body, or None when there is none; raises `PayloadError` for no document."""
    return xml_texts(document_root(body)).get("Encrypt")


def require_signed(request: ChannelRequest, credentials: Credentials, name: str, *covered: str) -> None:
    """Raise unless parameter `name` is the SHA-1 of token, timestamp, nonce and what else it covers, and fresh.

    WeChat's own samples sign timestamps that are no numbers; only a numeric one can be held against the clock.
    """
    given = request.sole_parameter(name)
    timestamp, nonce = request.sole_parameter("timestamp"), request.sole_parameter("nonce")
    if not given or timestamp is None or nonce is None:
        raise SignatureError(f"the URL needs {name}, timestamp and nonce")
    tokens = secrets_of(credentials, "token")
    require_match([sha1_of_sorted(token, timestamp, nonce, *covered) for token in tokens], given, name)
    if timestamp.isascii() and timestamp.isdigit():
        require_unix_fresh(timestamp, request.received_at, WINDOW)


def opened(ciphertext: str, credentials: Credentials, receiver: str) -> bytes:
    """Return the message inside `ciphertext`, addressed to us; `receiver` names the credential (app_id, corp_id).

    Raises `SignatureError` when no key opens it, its padding is wrong, or it was meant for somebody else.
    """
    keys, receivers = secrets_of(credentials, "encoding_aes_key"), secrets_of(credentials, receiver)
    for key, own_id in product(keys, receivers):
        for message, addressee in _decrypted(key, ciphertext):
            if equal(own_id, addressee):
                return message
    raise SignatureError(f"no key opens the message for this {receiver}")


def _decrypted(key: str, ciphertext: str) -> Iterator[tuple[bytes, str]]:
    try:
        raw_key = base64.b64decode(key + "=") if len(key) == _KEY_LENGTH else b""
        sealed = base64.b64decode(ciphertext, validate=True)
    except (binascii.Error, ValueError):
        return
    if len(raw_key) != 32 or not sealed or len(sealed) % 16:
        return
    decryptor = Cipher(algorithms.AES(raw_key), modes.CBC(raw_key[:16])).decryptor()
    padded = decryptor.update(sealed) + decryptor.finalize()
    plain = _unpadded(padded)
    if plain is None or len(plain) < _RANDOM_PREFIX + 4:
        return
    length = int.from_bytes(plain[_RANDOM_PREFIX : _RANDOM_PREFIX + 4], "big")
    start = _RANDOM_PREFIX + 4
    if start + length > len(plain):
        return
    yield plain[start : start + length], plain[start + length :].decode("utf-8", "replace")


def _unpadded(padded: bytes) -> bytes | None:
    size = padded[-1]
    if not 1 <= size <= _PADDING_BLOCK or len(padded) < size or padded[-size:] != bytes([size]) * size:
        return None
    return padded[:-size]


def body_to_read(request: ChannelRequest, credentials: Credentials, receiver: str) -> bytes:
    """Return the document to map: the decrypted one where there is one, for nothing beside it is authenticated."""
    ciphertext = ciphertext_of(request.body)
    if ciphertext is None:
        return request.body
    try:
        return opened(ciphertext, credentials, receiver)
    except SignatureError as error:
        raise PayloadError(error.reason) from error


def echo_text(request: ChannelRequest) -> str | None:
    """Return `echostr`, with the plus signs that an unescaped URL turned into spaces."""
    echo = request.sole_parameter("echostr")
    return echo.replace(" ", "+") if echo else None


def echo_bytes(text: str) -> bytes:
    return utf8(text)
