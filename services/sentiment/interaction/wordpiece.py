"""WordPiece tokens as BERT has them, from a `vocab.txt`: one piece a line, its line number its id."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.sentiment.interaction.model import ModelError

_UNKNOWN, _FIRST, _LAST = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD: Final = 100


class WordPiece:
    """Cuts texts into ids. Source: the published BERT tokenizer (Devlin et al. 2018, `tokenization.py`)."""

    def __init__(self, pieces: list[str], is_lower_case: bool) -> None:
        """`is_lower_case` also strips accents, as uncased models were trained. Raises ModelError."""
        self._ids = {piece: number for number, piece in enumerate(pieces)}
        missing = [piece for piece in (_UNKNOWN, _FIRST, _LAST) if piece not in self._ids]
        if missing:
            raise ModelError(f"the tokenizer's vocabulary lacks {', '.join(missing)}")
        self._unknown = self._ids[_UNKNOWN]
        self._is_lower_case = is_lower_case

    @classmethod
    def load(cls, path: Path, is_lower_case: bool) -> "WordPiece":
        try:
            return cls(path.read_text(encoding="utf-8").splitlines(), is_lower_case)
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot read the tokenizer {path}: {error}") from error

    def encode(self, text: str, limit: int) -> list[int]:
        """Return at most `limit` ids, [CLS] and [SEP] included; a longer text keeps its beginning and its end.

        Source of keeping both ends: Sun et al. 2019, "How to fine-tune BERT for text classification".
        """
        ids = [number for word in self._words(text) for number in self._pieces(word)]
        room = limit - 2
        if len(ids) > room:
            ids = ids[: room * 3 // 4] + ids[len(ids) - (room - room * 3 // 4) :]
        return [self._ids[_FIRST], *ids, self._ids[_LAST]]

    def _words(self, text: str) -> Iterator[str]:
        if self._is_lower_case:
            decomposed = unicodedata.normalize("NFD", text.lower())
            text = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
        word = ""
        for character in text:
            category = unicodedata.category(character)
            if character.isspace() or category in ("Cc", "Cf", "Cs", "Co", "Cn"):
                alone = ""
            elif _is_han(ord(character)) or category[0] == "P" or character in "$+<=>^`|~":
                alone = character
            else:
                word += character
                continue
            if word:
                yield word
                word = ""
            if alone:
                yield alone
        if word:
            yield word

    def _pieces(self, word: str) -> list[int]:
        """Return the ids of the longest known pieces from the left; [UNK] when some part is in no piece."""
        found: list[int] = []
        start = 0
        while start < len(word) <= _LONGEST_WORD:
            end = len(word)
            while end > start and (number := self._ids.get(("##" if start else "") + word[start:end])) is None:
                end -= 1
            if end == start or number is None:
                return [self._unknown]
            found.append(number)
            start = end
        return found or [self._unknown]


def _is_han(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x2FA1F
    )
