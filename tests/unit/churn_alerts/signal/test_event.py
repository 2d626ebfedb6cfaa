"""What is read of events is what their contract says of them, and less."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.churn_alerts.signal import event as read
from shared.contracts import event as contract
from shared.contracts.codec import decode_event, encode
from shared.contracts.enriched import Sentiment
from tests.factories.churn_log import COMPLAINT

BY_TYPE: dict[Any, type[msgspec.Struct]] = {one.__struct_config__.tag: one for one in read.Event.__args__}
EXAMPLES = sorted(
    path
    for path in Path("tests/examples/interactions").glob("v*/*.json")
    if path.stem.replace("-", ".") in contract.EVENT_TYPES
)


def test_every_type_of_event_is_known() -> None:
    assert tuple(BY_TYPE) == contract.EVENT_TYPES


@pytest.mark.parametrize("whole", contract.EVENT_CLASSES, ids=contract.EVENT_TYPES)
def test_what_is_read_has_the_contracts_names_and_defaults(whole: type[msgspec.Struct]) -> None:
    part = BY_TYPE[whole.__struct_config__.tag]

    declared = {field.name: field.default for field in msgspec.structs.fields(whole)}
    assert {field.name: field.default for field in msgspec.structs.fields(part)}.items() <= declared.items()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_read_as_its_contract_reads_it(path: Path) -> None:
    raw = path.read_bytes()

    whole, part = decode_event(raw), msgspec.json.decode(raw, type=read.Event)

    for name in set(type(part).__struct_fields__) - {"items", "actor"}:
        assert getattr(part, name) == getattr(whole, name)


def test_a_sentiment_is_read_as_its_contract_says_it() -> None:
    part = msgspec.json.decode(encode(COMPLAINT), type=read.Sentiment)

    assert [hit.aspect for hit in part.aspects] == [hit.aspect for hit in COMPLAINT.aspects]
    for name in set(read.Sentiment.__struct_fields__) - {"aspects"}:
        assert getattr(part, name) == getattr(COMPLAINT, name)


def test_a_sentiment_is_read_with_its_contracts_defaults() -> None:
    declared = {field.name: field.default for field in msgspec.structs.fields(Sentiment)}

    for field in msgspec.structs.fields(read.Sentiment):
        assert declared[field.name] == field.default
