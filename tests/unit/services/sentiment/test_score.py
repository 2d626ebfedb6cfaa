"""The shipped model on texts whose meaning nobody doubts."""

import math
from functools import cache

import pytest

from services.sentiment.interaction.score import Scorer
from shared.contracts.enriched import Sentiment


@cache
def scorer() -> Scorer:
    return Scorer.load()


def judged(text: str) -> Sentiment:
    return scorer().analyse([text])[0]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("物流太慢了，客服态度也很差，再也不买了", "negative"),
        ("质量很好，非常满意，推荐购买", "positive"),
        ("什么时候发货？", "neutral"),
        ("請問什麼時候發貨？", "neutral"),
        ("The parcel arrived broken and nobody answers my emails. Terrible.", "negative"),
        ("Fantastic service, I love it, thank you so much!", "positive"),
        ("How do I change my delivery address?", "neutral"),
        ("Thanks, problem solved!", "positive"),
    ],
)
def test_plain_texts_get_the_label_a_reader_gives(text: str, label: str) -> None:
    assert judged(text).label == label


def test_probabilities_sum_to_one_and_the_score_is_their_difference() -> None:
    sentiment = judged("The food was fine but the waiter was rude")

    total = sentiment.p_negative + sentiment.p_neutral + sentiment.p_positive
    assert total == pytest.approx(1)
    assert sentiment.score == pytest.approx(sentiment.p_positive - sentiment.p_negative)


@pytest.mark.parametrize("text", ["", "   ", "\n", "\t\r\n"])
def test_blank_text_is_neutral(text: str) -> None:
    assert judged(text).label == "neutral"


def test_text_in_another_language_is_flagged_and_not_guessed() -> None:
    sentiment = judged("これはとても悪い商品です。二度と買いません。")

    assert (sentiment.language, sentiment.label, sentiment.score) == ("other", "neutral", 0.0)


def test_traditional_and_simplified_spellings_are_judged_alike() -> None:
    assert judged("質量太差了，退貨也沒人處理") == judged("质量太差了，退货也没人处理")


def test_a_batch_gives_what_single_texts_give() -> None:
    texts = [
        "好评！",
        "not bad at all",
        "http://x.cn 太差了 @someone",
        "123",
        "👍👍👍",
        "",
        "don't won't can't",
        "a\nb",
    ] * 3

    together = scorer().analyse(texts)

    assert together == [judged(text) for text in texts]


def test_a_megabyte_of_text_is_judged_by_its_ends() -> None:
    long = "terrible service. " * 60_000

    assert judged(long).label == "negative"
    assert scorer().analyse([long, "fine", "fine", "fine"])[0] == judged(long)


def test_a_negative_text_names_its_aspects_with_the_words() -> None:
    sentiment = judged("快递太慢了，等了十天，客服态度恶劣，垃圾")

    found = {hit.aspect: hit.words for hit in sentiment.aspects}
    assert found["logistics"] == ["快递"]
    assert "attitude" in found
    assert sentiment.is_complaint


@pytest.mark.parametrize("question", ["水壶适合四人份的机器吗？", "请问怎么开发票？", "周末几点关门，"])
@pytest.mark.parametrize("courtesy", ["麻烦了", "麻烦您了。", "麻烦你了"])
def test_a_courtesy_at_the_end_of_a_question_is_no_complaint(question: str, courtesy: str) -> None:
    assert judged(question + courtesy).label == "neutral"


def test_the_same_word_still_complains() -> None:
    assert judged("退货流程太麻烦了，再也不买了").label == "negative"


def test_a_threat_to_call_the_consumers_hotline_is_an_urgent_complaint() -> None:
    sentiment = judged("质量太差了，骗人的东西，我要打消费者热线12315")

    assert (sentiment.is_complaint, sentiment.urgency) == (True, "high")


def test_a_positive_text_has_no_aspects_and_no_complaint() -> None:
    sentiment = judged("Great quality and fast delivery, I love it!")

    assert (sentiment.aspects, sentiment.is_complaint, sentiment.urgency) == ([], False, "low")


def test_a_threat_of_legal_action_is_urgent() -> None:
    assert judged("This is fraud, terrible company, my lawyer will contact you immediately").urgency == "high"


def test_reasons_name_the_words_that_moved_a_text() -> None:
    reasons = scorer().explain("The delivery was terrible")

    assert any("terrible" in reason.piece and reason.polarity < 0 for reason in reasons)


def unexplained_polarity(text: str) -> float:
    (sentiment,) = scorer().analyse([text])
    explained = sum(reason.polarity for reason in scorer().explain(text, top=10_000))
    return math.log(sentiment.p_positive / sentiment.p_negative) - explained


def test_what_the_reasons_of_short_texts_leave_over_is_the_same_bias() -> None:
    assert unexplained_polarity("明天下雨") == pytest.approx(unexplained_polarity("打印机坏了"), abs=0.02)


def test_every_judgement_names_the_model() -> None:
    assert judged("fine").model == scorer().name
