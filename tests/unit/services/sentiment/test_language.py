from functools import cache

import pytest

from services.sentiment.interaction.score import Scorer


@cache
def scorer() -> Scorer:
    return Scorer.load()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("退款什么时候到账", "zh"),
        ("退款什麼時候到帳", "zh"),
        ("iPhone手机很好用，good", "zh"),
        ("where is my refund", "en"),
        ("lol omg", "en"),
        ("café was nice", "en"),
        ("こんにちは、注文について質問があります", "other"),
        ("주문은 언제 도착하나요", "other"),
        ("Где мой заказ?", "other"),
        ("Hola, gracias por todo", "other"),
        ("Je ne suis pas content du tout, c'est trop long", "other"),
        ("Ich habe meine Bestellung nicht erhalten und bin sehr enttäuscht", "other"),
        ("أين طلبي", "other"),
        ("", "other"),
        ("12345", "other"),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    assert scorer().analyse([text])[0].language == language
