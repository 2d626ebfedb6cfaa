"""Every reason for which the services refuse an event or a delivery is told in the console's two languages."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.api import settings
from shared.contracts.codec import decode_event
from shared.errors import Reject

ROOT = Path(settings.__file__).parents[2]
REASONS = Path(settings.__file__).parent / "console" / "i18n" / "reasons.mjs"
# Whose refusals become dead letters or are counted on a connection; what a form refuses is another matter.
REFUSING = (
    "services/ingest", "services/sentiment/interaction", "services/sentiment/identity", "services/api/projection",
    "shared/contracts", "shared/kafka/partition.py",
)  # fmt: skip
_KINDS = ("Reject", "SignatureError", "PayloadError")
_LINE = re.compile(r"^  (\[\".*\]),$", re.MULTILINE)
_FILLED = "X1"


def told() -> list[list[str]]:
    return [json.loads(match[1]) for match in _LINE.finditer(REASONS.read_text(encoding="utf-8"))]


def pattern(text: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, text.split("{}"))), re.DOTALL)


def is_told(reason: str) -> bool:
    return any(pattern(text).fullmatch(reason) for text, _, _ in told())


def refusals() -> Iterator[str]:
    """Yield the reasons that the sources spell out, with a word for what is filled in."""
    for place in REFUSING:
        paths = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS:
                    yield from _spelled(node.args[0])


def _spelled(text: ast.expr) -> Iterator[str]:
    if isinstance(text, ast.Constant):
        yield str(text.value)
    elif isinstance(text, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else _FILLED for part in text.values)


def test_every_reason_in_the_sources_has_its_sentences() -> None:
    found = set(refusals())

    assert len(found) > 60
    assert sorted(reason for reason in found if not is_told(reason)) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[1]", b"nonsense", b"\xff", b'{"type":"nothing"}', b'{"type":"interaction"}',
        b'{"type":"interaction","id":1}', b'{"type":"interaction","id":"\\u0000"}',
        b'{"type":"interaction","id":"1","source":"a","occurred_at":"yesterday","customer":{"id":"c"}}',
        b'{"type":"interaction","id":"","source":"a"}', b'{"type":"survey.answered","id":"1","source":"a","score":NaN}',
        b'{"type":"interaction","id":"1","source":"a","unheard_of":1}',
    ],
)  # fmt: skip
def test_what_the_decoder_says_of_a_broken_event_has_its_sentences(raw: bytes) -> None:
    with pytest.raises(Reject) as refused:
        decode_event(raw)

    assert is_told(refused.value.reason), refused.value.reason


@pytest.mark.parametrize("entry", told(), ids=lambda entry: entry[0])
def test_a_sentence_fills_in_nothing_that_its_reason_leaves_out(entry: list[str]) -> None:
    reason, *sentences = entry

    assert len(sentences) == 2
    for sentence in sentences:
        assert {int(number) for number in re.findall(r"\{(\d)\}", sentence)} <= set(range(1, reason.count("{}") + 1))
    assert re.search(r"[\u4e00-\u9fff]", sentences[1])
