"""Handles: one written form for each way a person can be reached, so that two channels agree on who it is.

Pure. Forms: `tel:+E164`, `mailto:lower` (an internationalised domain as its ASCII form), `whatsapp:<id>` (ids that are
no number), `<kind>:<value>` for the rest.
"""

import hashlib
import re
import unicodedata
from functools import cache, lru_cache
from typing import Literal

import idna
import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

_KIND = re.compile(r"^[a-z][a-z0-9_+.-]*$")
_TEL_NOISE = re.compile(r"^(whatsapp|rcs|sms|tel|sip|callto|client):(//)?", re.IGNORECASE)
_PLAIN = re.compile(r"^\+[1-9][0-9]{7,14}$")
_MAX_HANDLE = 320
# Who wrote just now writes again: of those, so many need not be looked at anew. Some 10 MB.
_MOST_REMEMBERED = 1 << 15
_MIN_DIGITS = 3  # the shortest short codes; "anonymous" and "restricted" are nobody
_CASELESS = frozenset({"mailto", "mastodon", "bluesky"})
# Numbers and addresses that people type, also with a Chinese or Japanese keyboard (＋８６１３８…, ａｎａ＠…).
_TYPED = frozenset({"tel", "whatsapp", "mailto"})


def normalise(kind: str, value: str, default_region: str | None = None) -> str | None:
    """Return the handle of `value`, or None when it names nobody.

    `kind` is the scheme (`tel`, `mailto`, `whatsapp`, `wechat`, `x`, …); `default_region` is the ISO 3166 code that
    numbers without a country code belong to. A `whatsapp` id that is a phone number becomes the person's `tel:`.
    """
    cleaned = _cleaned(value, "NFKC" if kind in _TYPED else "NFC")
    if not cleaned or not _KIND.match(kind):
        return None
    if kind == "tel":
        number = telephone(cleaned, default_region)
        return _bounded("tel", number) if sum(map(str.isdigit, number)) >= _MIN_DIGITS else None
    if kind == "whatsapp":
        return _whatsapp(cleaned)
    if kind == "mailto":
        return _email(cleaned)
    return _bounded(kind, cleaned.lower() if kind in _CASELESS else cleaned)


@lru_cache(maxsize=_MOST_REMEMBERED)
def canonical(handle: str) -> str:
    """Return a whole handle in the form `normalise` gives it; one that names nobody stays as it is.

    Example:
        >>> canonical("tel:+86 138-0013-8000"), canonical("mailto:Ana@Example.com"), canonical("wechat:gh_1/oA")
        ('tel:+8613800138000', 'mailto:ana@example.com', 'wechat:gh_1/oA')
    """
    kind, _, value = handle.partition(":")
    if value.startswith("~"):  # the hash of a long one
        return handle
    return normalise(kind, value) or handle


@lru_cache(maxsize=_MOST_REMEMBERED)
def names_nobody(handle: str) -> bool:
    """Return whether a whole handle is a number or address that cannot be: all who are sent by it would be one."""
    kind, _, value = handle.partition(":")
    if value.startswith("~"):  # the hash of a long one
        return False
    if kind == "tel":
        return sum(map(str.isdigit, value)) < _MIN_DIGITS
    return kind == "mailto" and _email(value) is None


def telephone(value: str, default_region: str | None = None) -> str:
    """Return `value` as +E.164 when it is a valid number, else without its scheme and spacing, as given.

    Short codes (95588) and extensions' host numbers stay what the provider wrote; `+` is not invented for them.
    """
    bare = _TEL_NOISE.sub("", value).strip()
    compact = re.sub(r"[\s().\-/]", "", bare)
    if compact.startswith("00"):
        compact = "+" + compact[2:]
    if _is_plain(compact):
        return compact
    return _e164(compact, default_region) or compact


def _is_plain(compact: str) -> bool:
    """Return whether the library could only repeat `compact`, valid or not: + and digits, no prefix to take away.

    Asking it costs 47 µs a number, this 1 to 2.
    """
    if not _PLAIN.match(compact):
        return False
    for length in (1, 2, 3):
        if (region := COUNTRY_CODE_TO_REGION_CODE.get(int(compact[1 : 1 + length]))) is not None:
            prefix = _national_prefix(int(compact[1 : 1 + length]), region[0])
            return prefix is None or prefix.match(compact[1 + length :]) is None
    return False


@cache
def _national_prefix(country_code: int, region: str) -> re.Pattern[str] | None:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)
    pattern = metadata.national_prefix_for_parsing if metadata is not None else None
    return re.compile(pattern) if pattern else None


def _e164(compact: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(compact, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _whatsapp(value: str) -> str | None:
    bare = _TEL_NOISE.sub("", value).strip()
    digits = bare.lstrip("+")
    if digits.isascii() and digits.isdigit():
        number = _e164("+" + digits, None)
        if number is not None:
            return "tel:" + number
    return _bounded("whatsapp", bare)


def _email(value: str) -> str | None:
    address = value.removeprefix("mailto:").strip().strip("<>").lower()
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or len(address.split()) != 1:
        return None
    return _bounded("mailto", address if domain.isascii() else f"{local}@{_ascii_domain(domain)}")


def _ascii_domain(domain: str) -> str:
    """Return the form in which mail servers know a domain (bücher.example is xn--bcher-kva.example); else as it is.

    Source: RFC 5891 section 5, mapped first as UTS 46 says.
    """
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return domain


def _cleaned(value: str, form: Literal["NFC", "NFKC"]) -> str:
    if value.isascii() and value.isprintable():
        return value.strip()
    text = unicodedata.normalize(form, value.encode("utf-8", "replace").decode("utf-8"))
    return "".join(c for c in text if c.isprintable()).strip()


def _bounded(kind: str, value: str) -> str | None:
    """Keep a handle within the contract's length; an absurdly long one is named by its hash, so it stays distinct."""
    if not value:
        return None
    handle = f"{kind}:{value}"
    if len(handle) > _MAX_HANDLE:
        return f"{kind}:~{hashlib.blake2b(value.encode(), digest_size=16).hexdigest()}"
    return handle
