"""Bytes to text for mail in the wild: the declared charset where it holds, repairs where it does not.

Measured (2026-11-22): a detector alone calls short GB18030 texts Big5, and a plain order of trials calls Shift-JIS and
Big5 GB18030; so the declaration decides first, UTF-8 next, and the detector only for longer texts.
Measured (2026-11-29): of 1,415 lines of Chinese customers, 32 bytes and longer, in GB18030 and undeclared, the detector
reads .934 right, the commonest characters .992 at a fifth of the time; so those are asked before it.
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
_READS_WELL = 0.25
_COMMON = frozenset(
    "的一是不了我在人有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好"
    "都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知样现分将外但身些与高意进把法"
    "此实回二点月明其种全话情部正名定问力机给等几很业最间新什打便位因重被走电第门相次使再真信少并内加由却先太件安表原车"
    "应路期常提感何更做系或受果今务制解各任物记接许觉直服题请交让认快条变该收钱未取设始商容找早单号货退款订购买卖质客差评"
    "店谢您吗呢吧啊这個們來時說國會對為過還沒發後從見經開長問點種進樣與動門關車書單號請謝貨訂購買嗎讓認識實際產品質處"
)
# Never in a text of single accents, always in Chinese, Japanese, Korean, Cyrillic and Greek: three high bytes in a row,
# or two that do not stand inside a word ("ação" has two inside).
_FOREIGN = re.compile(rb"[\x80-\xff]{3}|(?<![A-Za-z])[\x80-\xff]{2}|[\x80-\xff]{2}(?![A-Za-z])")
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
    if not _FOREIGN.search(raw) and _ACCENTED.search(raw) and (text := _try(raw, "cp1252")) is not None:
        return text
    eastern = _eastern(raw) if len(raw) >= _DETECTABLE else None
    if eastern is not None:
        return eastern
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


def _eastern(raw: bytes) -> str | None:
    """Return a text that reads as Chinese, Japanese or Korean in one of their charsets; None when none reads well."""
    best, text_of_best = _READS_WELL, None
    for name in ("euc_jp", "cp932", "gb18030", "big5hkscs", "cp949"):
        text = _try(raw, name)
        score = _score(text[:_LOOKED_AT], name) if text is not None else 0.0
        if score > best:
            best, text_of_best = score, text
    return text_of_best


def _score(text: str, name: str) -> float:
    """Return how much of what is not ASCII is what people write: kana, hangul alone, or the commonest hanzi."""
    foreign = [character for character in text if not character.isascii()]
    if not foreign:
        return 0.0
    if name in ("euc_jp", "cp932"):
        return sum("\u3041" <= character <= "\u30fe" for character in foreign) / len(foreign) * 1.5
    if name == "cp949":
        n_hangul = sum("\uac00" <= character <= "\ud7a3" for character in foreign)
        n_hanja = sum("\u4e00" <= character <= "\u9fff" for character in foreign)
        return 0.0 if n_hanja else n_hangul / len(foreign) * 0.6
    hanzi = [character for character in foreign if "\u3400" <= character <= "\u9fff"]
    return sum(character in _COMMON for character in hanzi) / len(foreign)


def _detected(raw: bytes) -> str | None:
    best = from_bytes(raw[:4_096]).best()
    return best.encoding if best is not None else None
