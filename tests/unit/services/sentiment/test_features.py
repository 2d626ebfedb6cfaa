"""Which features texts have, in which family, and how they are turned."""

from collections import Counter
from functools import cache

from services.sentiment.interaction.features import NOT_TURNED, TURNED_HAN, TURNED_WORD, Hasher
from services.sentiment.interaction.model import load_model


@cache
def hasher() -> Hasher:
    return Hasher(load_model().characters)


def features(*texts: str) -> Counter[tuple[str, int, int]]:
    return Counter(
        (found.family, bucket, turn)
        for found in hasher().hash_batch(texts).features()
        for bucket, turn in zip(found.buckets.tolist(), found.turns.tolist(), strict=True)
    )


def test_each_feature_is_of_its_family_and_turned_by_what_reaches_it() -> None:
    found = Counter((family, turn) for family, _, turn in features("不太好 never good").elements())

    assert found == {
        ("han1", NOT_TURNED): 1,
        ("han1", TURNED_HAN): 2,
        ("han2", NOT_TURNED): 1,
        ("han2", TURNED_HAN): 1,
        ("han3", NOT_TURNED): 1,
        ("word", NOT_TURNED): 1,
        ("word", TURNED_WORD): 1,
        ("pair", NOT_TURNED): 2,
        ("pair", TURNED_WORD): 1,
        ("gram4", NOT_TURNED): 4,
        ("gram4", TURNED_WORD): 3,
        ("negated", NOT_TURNED): 1,
    }


def test_a_batch_has_the_features_of_its_texts() -> None:
    texts = ["it never leaks", "…", "没有很糟 badly made", "退款!", "不过 isn't 无法", ""]

    alone = sum((features(text) for text in texts), Counter[tuple[str, int, int]]())

    assert features(*texts) == alone
