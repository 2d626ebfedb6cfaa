"""Every reason for which an event, a delivery or a form is refused is told in the console's two languages."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from services.api import settings
from services.api.auth.schemas import NewKeyBody
from services.api.connection import decide as connection_decide
from shared.contracts.codec import decode_event, decode_json
from shared.errors import Reject

ROOT = Path(settings.__file__).parents[2]
LISTS = Path(settings.__file__).parent / "console" / "i18n"
# Whose refusals become dead letters or are counted on a connection; what a form refuses is another matter.
REFUSING = (
    "services/ingest", "services/sentiment/interaction", "services/sentiment/identity", "services/api/projection",
    "shared/contracts", "shared/kafka/partition.py",
)  # fmt: skip
_KINDS = ("Reject", "SignatureError", "PayloadError")
# What the rest of the API refuses, a form has sent; of its answers these are told, the others go by their status.
_NO_FORM = ("projection", "paging.py", "idempotency.py")
_TOLD_STATUS = (409, 413, 422)
_LINE = re.compile(r"^  (\[\".*\]),$", re.MULTILINE)
_FILLED = "X1"


def told(which: str) -> list[list[str]]:
    return [json.loads(match[1]) for match in _LINE.finditer((LISTS / f"{which}.mjs").read_text(encoding="utf-8"))]


def pattern(text: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, text.split("{}"))), re.DOTALL)


def is_told(reason: str, which: str = "reasons") -> bool:
    return any(pattern(text).fullmatch(reason) for text, _, _ in told(which))


def refusals() -> Iterator[str]:
    """Yield the reasons that the sources spell out, with a word for what is filled in."""
    for place in REFUSING:
        paths = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS:
                    yield from _spelled(node.args[0])


def form_refusals() -> Iterator[str]:
    for path in sorted((ROOT / "services" / "api").rglob("*.py")):
        if any(name in path.parts for name in _NO_FORM):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.endswith("_fault"):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and isinstance(inner.value, ast.IfExp):
                        yield from (text for side in (inner.value.body, inner.value.orelse) for text in _spelled(side))
                    elif isinstance(inner, ast.Return) and inner.value is not None:
                        yield from _spelled(inner.value)
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            if node.func.id == "Reject":
                yield from _spelled(node.args[0])
            elif node.func.id == "ProblemError" and ast.literal_eval(node.args[0]) in _TOLD_STATUS:
                text = node.args[1]
                yield from _spelled(constants.get(text.id, text) if isinstance(text, ast.Name) else text)
    yield from (meaning for _, meaning in connection_decide._SETTING_PATTERNS.values())


def _spelled(text: ast.expr) -> Iterator[str]:
    if isinstance(text, ast.Constant):
        if isinstance(text.value, str):
            yield text.value
    elif isinstance(text, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else _FILLED for part in text.values)


def test_every_reason_in_the_sources_has_its_sentences() -> None:
    found = set(refusals())

    assert len(found) > 60
    assert sorted(reason for reason in found if not is_told(reason)) == []


def test_every_refusal_of_a_form_has_its_sentences() -> None:
    found = set(form_refusals())

    assert len(found) > 40
    assert sorted(text for text in found if not is_told(text, "refusals")) == []


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b'{"name":""}', b'{"name":1}', b'{"name":"a","unheard_of":1}', b'{"name":"a","role":"king"}',
        b'{"name":"' + b"a" * 5000 + b'"}', b'{"name":"\\u0000"}', b'{"name":"a","expires_at":"soon"}',
    ],
    ids=["empty", "short", "other type", "unknown member", "no such value", "long", "NUL", "no time"],
)  # fmt: skip
def test_what_the_decoder_says_of_a_form_has_its_sentences(body: bytes) -> None:
    with pytest.raises(Reject) as refused:
        decode_json(msgspec.json.Decoder(NewKeyBody), body)

    assert is_told(refused.value.reason, "refusals"), refused.value.reason


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


@pytest.mark.parametrize("entry", [*told("reasons"), *told("refusals")], ids=lambda entry: entry[0])
def test_a_sentence_fills_in_nothing_that_its_reason_leaves_out(entry: list[str]) -> None:
    reason, *sentences = entry

    assert len(sentences) == 2
    for sentence in sentences:
        assert {int(number) for number in re.findall(r"\{(\d)\}", sentence)} <= set(range(1, reason.count("{}") + 1))
    assert re.search(r"[\u4e00-\u9fff]", sentences[1])
