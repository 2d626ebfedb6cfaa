"""The terms of the text index: what is indexed, what a query wants, and that the second is always in the first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.interaction.search import as_tsquery, query_terms, text_terms, tsvector, unfinished_word

texts = st.text(alphabet=st.sampled_from("退款物流太慢了ab c1,。!ＡＢ "), max_size=30)


def test_chinese_is_indexed_by_characters_and_pairs_and_the_rest_by_words() -> None:
    assert text_terms("要退款! Refund now") == {"要", "退", "款", "要退", "退款", "refund", "now"}


def test_full_width_letters_are_the_same_as_narrow_ones() -> None:
    assert text_terms("ＶＩＰ") == {"vip"}


def test_a_long_query_wants_all_its_pairs() -> None:
    assert query_terms("退款慢") == ["款慢", "退款"]


@pytest.mark.parametrize("query", ["", "!!", "' & |", "\\"])
def test_a_query_without_letters_wants_nothing(query: str) -> None:
    assert query_terms(query) == []


@given(before=texts, wanted=texts, after=texts)
def test_every_text_that_holds_the_query_has_the_querys_terms(before: str, wanted: str, after: str) -> None:
    text = f"{before} {wanted} {after}"

    assert set(query_terms(wanted)) <= text_terms(text)


@given(st.text(max_size=60))
def test_no_query_breaks_out_of_its_quotes(query: str) -> None:
    for term in query_terms(query):
        assert term
        assert not set(term) & set("'\\\x00 \t\n&|!()<>:*")
    assert as_tsquery(["a", "b"]) == "'a' & 'b'"


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("sto", "sto"), ("Zoe Sto", "sto"), ("ＳＴＯ", "sto"), ("王 sto", "sto"), ("st", None),
        ("sto!", "sto"), ("王芳", None), ("sto王", None), ("", None), ("?", None),
    ],
)  # fmt: skip
def test_the_last_word_may_still_be_being_typed(query: str, word: str | None) -> None:
    assert unfinished_word(query) == word


def test_a_beginning_stands_for_the_words_it_begins() -> None:
    assert as_tsquery(["sto", "zoe"], "sto") == "'sto':* & 'zoe'"


def test_a_vector_holds_each_term_once_in_byte_order_without_positions() -> None:
    assert tsvector({"b", "款", "ab"}) == b"\0\0\0\x03" + b"ab\0\0\0" + b"b\0\0\0" + "款".encode() + b"\0\0\0"


def test_no_terms_are_an_empty_vector() -> None:
    assert tsvector(set()) == b"\0\0\0\0"
