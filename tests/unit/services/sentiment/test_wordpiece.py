from pathlib import Path

import pytest

from services.sentiment.interaction.model import ModelError
from services.sentiment.interaction.wordpiece import WordPiece

PIECES = ["[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "cafe", "退", "款", ",", "Un"]


def cut(text: str, limit: int = 99, is_lower_case: bool = True) -> list[str]:
    ids = WordPiece(PIECES, is_lower_case).encode(text, limit)
    return [PIECES[number] for number in ids[1:-1]]


def test_a_word_is_cut_into_the_longest_known_pieces() -> None:
    assert cut("unaffable") == ["un", "##aff", "##able"]


def test_a_word_with_an_unknown_part_is_unknown_as_a_whole() -> None:
    assert cut("unknown un") == ["[UNK]", "un"]


def test_han_characters_and_punctuation_stand_alone() -> None:
    assert cut("退款,un") == ["退", "款", ",", "un"]


def test_an_uncased_vocabulary_folds_case_and_accents() -> None:
    assert cut("UN Café") == ["un", "cafe"]
    assert cut("Un", is_lower_case=False) == ["Un"]


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    assert cut("un " * 9 + "cafe", limit=10) == ["un"] * 7 + ["cafe"]


def test_every_text_begins_and_ends_with_its_marks() -> None:
    assert WordPiece(PIECES, is_lower_case=True).encode("", 8) == [1, 2]


def test_a_vocabulary_without_the_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\nb\n", encoding="utf-8")

    with pytest.raises(ModelError, match=r"lacks \[UNK\], \[CLS\], \[SEP\]"):
        WordPiece.load(tmp_path / "vocab.txt", is_lower_case=True)
