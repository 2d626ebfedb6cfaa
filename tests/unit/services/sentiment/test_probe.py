"""The hand-made probes: what a service desk hears. The floor is a little under what the model reached when shipped."""

from functools import cache
from pathlib import Path

import pytest

from services.sentiment.interaction.score import Scorer
from services.sentiment.training import evaluate, evaluate_aspects

PROBE = Path(evaluate.__file__).parent / "probe"


@cache
def scorer() -> Scorer:
    return Scorer.load()


@pytest.mark.parametrize(
    ("name", "label", "floor"),
    [
        ("questions.zh", "neutral", 0.85),
        ("questions.en", "neutral", 0.95),
        ("complaints.zh", "negative", 0.80),
        ("complaints.en", "negative", 0.70),
        ("enquiries.zh", "neutral", 0.75),
        ("enquiries.en", "neutral", 0.95),
        ("faults.zh", "negative", 0.70),
        ("faults.en", "negative", 0.75),
        ("denied-faults.zh", "positive", 0.65),
        ("denied-faults.en", "positive", 0.70),
        ("denied-praise.zh", "negative", 0.85),
        ("denied-praise.en", "negative", 0.75),
        ("neutral-negation.zh", "neutral", 0.85),
        ("neutral-negation.en", "neutral", 0.80),
    ],
)
def test_service_texts_are_read_as_a_person_reads_them(name: str, label: str, floor: float) -> None:
    texts = (PROBE / f"{name}.txt").read_text(encoding="utf-8").splitlines()

    assert evaluate.probe_share(scorer(), texts, label) >= floor


@pytest.mark.parametrize(
    ("language", "by_cues", "by_model", "urgency"), [("zh", 0.62, 0.57, 0.65), ("en", 0.48, 0.37, 0.55)]
)
def test_aspects_of_unhappy_texts_are_told_as_a_person_tells_them(
    language: str, by_cues: float, by_model: float, urgency: float
) -> None:
    rows = evaluate_aspects.read(PROBE / f"aspects.{language}.tsv")
    texts = [row.text for row in rows]

    alone = evaluate_aspects.report_of(rows, evaluate_aspects.told_by_cues(texts))
    judged = evaluate_aspects.report_of(rows, evaluate_aspects.told_by_model(scorer(), texts))

    assert alone.macro_f1 >= by_cues
    assert alone.urgent.f1 >= urgency
    assert judged.macro_f1 >= by_model
