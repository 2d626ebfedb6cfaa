"""What a signal keeps after one more event is what merging that event in gives, the short ways included."""

from random import Random

from services.churn_alerts.signal import expectation_mismatch, sentiment_sliding
from services.churn_alerts.signal.expectation_mismatch import Mismatch, Negative, Sale
from services.churn_alerts.signal.model import DAY_MS
from services.churn_alerts.signal.sentiment_sliding import Block, Moods


def test_a_sale_more_is_a_sale_merged_in() -> None:
    chance = Random(4)
    for _ in range(200):
        part = Mismatch()
        for number in range(8):
            at_ms = chance.randrange(4) * DAY_MS + chance.randrange(3)
            merged = expectation_mismatch.merge(part, Mismatch(sales=(Sale(at_ms, f"o{number}"),)))

            part = expectation_mismatch.with_sale(part, at_ms, f"o{number}")

            assert part == merged


def test_an_unhappy_text_more_is_one_merged_in() -> None:
    chance = Random(6)
    for _ in range(200):
        part = Mismatch()
        for number in range(9):
            negative = Negative(chance.randrange(6), f"e{chance.randrange(3)}", number)
            merged = expectation_mismatch.merge(part, Mismatch(negatives=(negative,)))

            part = expectation_mismatch.with_negative(part, negative)

            assert part == merged


def test_a_mood_more_is_a_mood_merged_in() -> None:
    chance = Random(5)
    for _ in range(200):
        part = Moods()
        for _ in range(8):
            day, score = chance.randrange(90), chance.random()
            block = Block(day // sentiment_sliding.BLOCK_DAYS, 1, round(1000 * score))
            merged = sentiment_sliding.merge(part, Moods((block,)))

            part = sentiment_sliding.observe(part, day, score)

            assert part == merged
