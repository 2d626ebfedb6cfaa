"""Bytes to text for mail in the wild: the declared charset where it holds, repairs where it does not.

Measured (2026-11-22): a detector alone calls short GB18030 texts Big5, and a plain order of trials calls Shift-JIS and
Big5 GB18030; so the declaration decides first, UTF-8 next, and the detector only for longer texts.
"""

import codecs
import re
from collections.abc import Iterator

from charset_normalizer import from_bytes

_ALIASES = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "ms936": "gb18030",
    "gb_2312-80": "gb18030",
    "gb18030": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "x-windows-949": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "sjis": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "big5": "big5hkscs",
    "x-big5": "big5hkscs",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "unknown-8bit": "",
    "x-unknown": "",
    "8bit": "",
    "default": "",
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "x-mac-roman": "mac_roman",
    "iso-8859-8-i": "iso8859_8",
    "unicode-1-1-utf-7": "utf-7",
}
_BY_LANGUAGE = {"zh": "gb18030", "ja": "cp932", "ko": "cp949", "ru": "cp1251"}
_DETECTABLE = 32
_DOUBLE_BYTE = frozenset({"gb18030", "cp949", "cp932", "big5hkscs", "big5", "euc_jp", "euc_jis_2004", "shift_jis_2004"})
_LOOKED_AT = 4_000
_PAIR = re.compile(rb"[\x80-\xff]{2}")  # Chinese, Japanese, Korean, Cyrillic and Greek never do without
_ACCENTED = re.compile(rb"[A-Za-z][\x80-\xff]|[\x80-\xff][A-Za-z]")
_ISO_2022_JP = re.compile(rb"\x1b\$[@B]|\x1b\([BJI]")
_WIDE = frozenset({"utf_16", "utf_32", "utf-16", "utf-32", "idna", "punycode"})


def decode(raw: bytes, declared: str | None = None, language: str | None = None) -> str:
    """Return `raw` as text; never raises. `language` (zh, ja, …) settles short texts that declare nothing."""
    if not raw:
        return ""
    for name in _candidates(raw, declared):
        text = _try(raw, name)
        if text is not None:
            return text
    if not _PAIR.search(raw) and _ACCENTED.search(raw) and (text := _try(raw, "cp1252")) is not None:
        return text
    guessed = _detected(raw) if len(raw) >= _DETECTABLE else None
    fallback = _BY_LANGUAGE.get((language or "")[:2].lower())
    for candidate in (fallback if len(raw) < _DETECTABLE else None, guessed, fallback, "gb18030", "cp1252"):
        text = _try(raw, candidate) if candidate else None
        if text is not None:
            return text
    return raw.decode(_known(declared) or "utf-8", "replace")


def _candidates(raw: bytes, declared: str | None) -> Iterator[str]:
    name = (declared or "").strip().strip("\"'").lower()
    known = _known(name)
    is_plain = known in (None, "utf-8")
    if b"~{" in raw and b"~}" in raw and raw.isascii() and (is_plain or name.startswith("hz")):
        yield "hz"
    if is_plain and _ISO_2022_JP.search(raw):
        yield "iso2022_jp_ext"
    if known and not is_plain and _is_surely_utf8(raw, known):
        yield "utf-8"
    if known:
        yield known
    if known != "utf-8":
        yield "utf-8"


def _is_surely_utf8(raw: bytes, declared: str) -> bool:
    """Return whether so many characters are well-formed UTF-8 that the declaration must be wrong.

    Two or three Chinese words in GBK can be well-formed by chance; two accents in a row never read "Ã¼".
    """
    if raw.isascii():
        return False
    text = _try(raw, "utf-8")
    if text is None:
        return False
    least = 8 if declared in _DOUBLE_BYTE else 2
    return sum(not character.isascii() for character in text[:_LOOKED_AT]) >= least


def _known(name: str | None) -> str | None:
    cleaned = (name or "").strip().strip("\"'").lower()
    if cleaned in _ALIASES:
        return _ALIASES[cleaned] or None
    try:
        codec = codecs.lookup(cleaned)
    except (LookupError, ValueError, UnicodeError):
        return None
    return codec.name if codec._is_text_encoding and codec.name not in _WIDE else None


def _try(raw: bytes, name: str) -> str | None:
    try:
        return raw.decode(name)
    except (UnicodeError, LookupError, ValueError):
        return None


def _detected(raw: bytes) -> str | None:
    best = from_bytes(raw[:4_096]).best()
    return best.encoding if best is not None else None
