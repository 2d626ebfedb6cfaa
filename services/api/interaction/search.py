"""Terms for the text index: Chinese by single characters and pairs, everything else by lower-cased word. Pure."""

import re
import struct
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

# CJK ideographs with their extensions and compatibility forms, kana and hangul: scripts written without spaces.
_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U0003134f"
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")

# PostgreSQL refuses lexemes of 2 KB; nobody searches for such words.
_LONGEST_WORD = 64
# Fewer letters begin the words of so many customers that finding them all costs more than it helps.
_SHORTEST_BEGINNING = 3
# A text of the greatest length allowed would make a megabyte of terms; its beginning finds it.
_LONGEST_TEXT = 20_000
_COUNT = struct.Struct(">i")
# The end of the lexeme, and a count of none.
_NO_POSITIONS = b"\0\0\0"


def text_terms(*texts: str | None) -> set[str]:
    """Return the distinct index terms of the texts, each at most 64 characters."""
    terms: set[str] = set()
    for text in texts:
        if text:
            for run in _runs(text[:_LONGEST_TEXT]):
                if _IS_CJK.match(run):
                    terms.update(run)
                    terms.update([first + second for first, second in pairwise(run)])
                else:
                    terms.add(run[:_LONGEST_WORD])
    return terms


def tsvector(terms: Iterable[str]) -> bytes:
    """Return a tsvector without positions as PostgreSQL's binary protocol wants it: each lexeme once, in byte order.

    Source: tsvectorrecv in PostgreSQL's tsvector.c; made here because the server would take longer to parse text.
    """
    lexemes = sorted([term.encode() for term in terms])
    return b"".join((_COUNT.pack(len(lexemes)), *(lexeme + _NO_POSITIONS for lexeme in lexemes)))


def query_terms(query: str) -> list[str]:
    """Return the terms every match must have; empty when the query has no letter or digit.

    A Chinese run of two and more is looked up by its pairs alone, which imply its single characters.
    """
    terms: set[str] = set()
    for run in _runs(query):
        if _IS_CJK.match(run):
            terms.update([first + second for first, second in pairwise(run)] or [run])
        else:
            terms.add(run[:_LONGEST_WORD])
    return sorted(terms)


def unfinished_word(query: str) -> str | None:
    """Return the term that may still be being typed: the last word, unless it is Chinese or very short."""
    runs = list(_runs(query))
    if not runs or _IS_CJK.match(runs[-1]) or len(runs[-1]) < _SHORTEST_BEGINNING:
        return None
    return runs[-1][:_LONGEST_WORD]


def as_tsquery(terms: Iterable[str], beginning: str | None = None) -> str:
    """Return a tsquery literal that wants all the terms; of `beginning`, one of them, any word it begins will do.

    Terms hold letters and digits only, so quoting is enough.
    """
    return " & ".join(f"'{term}':*" if term == beginning else f"'{term}'" for term in terms)


def _runs(text: str) -> Iterable[str]:
    return _RUN.findall((text if text.isascii() else unicodedata.normalize("NFKC", text)).lower())
