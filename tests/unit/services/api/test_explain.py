from pathlib import Path

import pytest

from services.api.interaction.explain import Explainer
from shared.errors import PulselineError


def test_reasons_come_with_the_judgement_strongest_first() -> None:
    explained = Explainer(None).explain("The delivery was terrible", top=3)

    assert explained.sentiment.label == "negative"
    assert "terrible" in explained.reasons[0].piece
    moved = [abs(reason.polarity) + abs(reason.neutrality) for reason in explained.reasons]
    assert moved == sorted(moved, reverse=True)


def test_a_model_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(PulselineError, match="cannot read the sentiment model"):
        Explainer(tmp_path / "none.bin").explain("x", top=1)
