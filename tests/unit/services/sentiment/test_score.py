"""The shipped model on texts whose meaning nobody doubts."""

import math
from functools import cache

import numpy as np
import pytest

from services.sentiment.interaction.features import N_BUCKETS, bucket_of, han_hash, word_hash
from services.sentiment.interaction.model import LinearModel, load_model
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


@pytest.mark.parametrize("text", ["Not bad at all.", "It never leaks.", "一点都不差", "不漏水", "沒有異味", "没有破损"])
def test_a_denied_fault_is_no_complaint(text: str) -> None:
    sentiment = judged(text)

    assert (sentiment.label, sentiment.is_complaint) == ("positive", False)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I have never had such poor service.", "negative"),
        ("I've never been so disappointed.", "negative"),
        ("I have never seen such incompetence in my life.", "negative"),
        ("I've never had such good service.", "positive"),
        ("Never been so happy with a purchase!", "positive"),
    ],
)
def test_what_was_never_such_is_not_denied(text: str, label: str) -> None:
    assert judged(text).label == label


def of_one_weight(family: str, value: int) -> Scorer:
    weights = np.zeros((2, N_BUCKETS), np.int8)
    weights[0, bucket_of(family, value)] = -100
    return Scorer(LinearModel("one", weights, (0.02, 0.02), np.zeros((3, 2)), load_model().characters))


@pytest.mark.parametrize(
    ("denied", "plain", "share"),
    [
        ("it was not bad", "it was yes bad", 0.5),
        ("never any bad", "often any bad", 0.5),
        ("it isn't bad", "it wasis bad", 0.5),
        ("it was not so bad", "it was yes so bad", 0.5),
        ("never not so bad", "ever yes so bad", 0.5),
        ("没有很糟", "又有很糟", 1),
        ("絕無很糟", "絕有很糟", 1),
    ],
)
def test_what_a_negation_reaches_counts_the_other_way(denied: str, plain: str, share: float) -> None:
    scorer = of_one_weight("word", word_hash("bad")) if denied.isascii() else of_one_weight("han1", han_hash("糟"))

    for copies in (1, 4):  # one by one, and as a batch
        (turned, *_), (straight, *_) = scorer.analyse([denied] * copies), scorer.analyse([plain] * copies)
        assert straight.score < 0
        assert turned.score == pytest.approx(-share * straight.score, rel=0.1)
    (reason,) = [reason for reason in scorer.explain(denied) if reason.polarity]
    assert reason.polarity > 0


@pytest.mark.parametrize(
    ("text", "family", "value"),
    [
        ("not now. bad", "word", word_hash("bad")),
        ("not in the least bad", "word", word_hash("bad")),
        ("never had such bad", "word", word_hash("bad")),
        ("nobody so bad", "word", word_hash("bad")),
        ("without any warning", "word", word_hash("warning")),
        ("不，糟", "han1", han_hash("糟")),
        ("不过糟", "han1", han_hash("糟")),
        ("不能算是糟", "han1", han_hash("糟")),
    ],
)
def test_beyond_its_reach_a_negation_turns_nothing(text: str, family: str, value: int) -> None:
    scorer = of_one_weight(family, value)

    assert scorer.analyse([text])[0].score < 0
    assert scorer.analyse([text] * 4)[0].score < 0


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
