"""Any text at all gets a judgement, the same alone and in company."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from services.sentiment.interaction.cue_words import EN, ZH
from services.sentiment.interaction.score import Scorer

anything = st.text(st.characters(codec=None), max_size=60)
mixed = st.lists(
    st.sampled_from(
        [
            "不",
            "没",
            "無",
            "过",
            "好",
            "退款",
            "don't",
            "n't",
            "'",
            "not",
            "bad",
            "GREAT",
            "…",
            "!!!",
            "１２",
            "😀",
            "\u200d",
            " ",
            "\n",
            "ñ",
            "か",
            "#",
        ]
    ),
    max_size=25,
).map("".join)
DENYING = ["never", "nobody", "not", "isn't", "n't", "without", "不"]
denials = st.lists(
    st.sampled_from([*DENYING, "such", "so", "warning", "asking", "bad", "good", ".", ",", "好"]), max_size=14
).map(" ".join)


@cache
def scorer() -> Scorer:
    return Scorer.load()


@given(st.lists(anything | mixed | denials, min_size=4, max_size=8))
@settings(max_examples=90, deadline=None)
def test_a_batch_equals_its_texts_one_by_one(texts: list[str]) -> None:
    together = scorer().analyse(texts)

    assert together == [scorer().analyse([text])[0] for text in texts]


cue_words = sorted(
    {word for lists, separator in ((ZH, " "), (EN, "|")) for words in lists.values() for word in words.split(separator)}
)


@given(
    st.text("a0 退é'", max_size=4),
    st.sampled_from(cue_words),
    st.text("s没 é'", max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_cues_are_the_same_alone_and_in_company(before: str, cue: str, after: str) -> None:
    text = f"terrible awful worst {before}{cue}{after}"

    assert scorer().analyse([text] * 4) == scorer().analyse([text]) * 4


@given(st.lists(st.tuples(st.sampled_from(cue_words), st.sampled_from(["", " ", "s", "，"])), max_size=8))
@settings(max_examples=60, deadline=None)
def test_cues_that_touch_and_overlap_are_the_same_alone_and_in_company(cues: list[tuple[str, str]]) -> None:
    text = "terrible awful worst " + "".join(map("".join, cues))

    assert scorer().analyse([text, "fine", "太差了", "not ok"])[0] == scorer().analyse([text])[0]


@given(anything)
@settings(max_examples=60, deadline=None)
def test_arbitrary_unicode_is_judged_and_explained_without_error(text: str) -> None:
    (sentiment,) = scorer().analyse([text])

    assert round(sentiment.p_negative + sentiment.p_neutral + sentiment.p_positive, 9) == 1
    scorer().explain(text)
