"""The published documents and examples agree with the types."""

from pathlib import Path

import jsonschema
import msgspec
import pytest

from services.cli.reference import pages
from shared.contracts.codec import encode
from shared.contracts.control import Control
from shared.contracts.documents import PAYLOADS, json_schema
from shared.contracts.event import EVENT_TYPES
from shared.topics import INTERACTIONS, TOPICS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "tests" / "examples").glob("*/v*/*.json"))
PAYLOAD_OF = {topic.name: payload for topic, payload in PAYLOADS.items()}


PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_checked_in_document_is_current(name: str) -> None:
    assert (ROOT / "docs" / "reference" / name).read_bytes() == PAGES[name], "run `make docs`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_example_of_every_version_decodes(path: Path) -> None:
    payload = PAYLOAD_OF[path.parts[-3]]

    message = msgspec.json.decode(path.read_bytes(), type=payload)

    assert msgspec.json.decode(encode(message), type=payload) == message


@pytest.mark.parametrize(
    "path", [p for p in EXAMPLES if p.parts[-3] == INTERACTIONS.name], ids=lambda path: str(path.stem)
)
def test_event_examples_satisfy_the_published_schema(path: Path) -> None:
    jsonschema.validate(msgspec.json.decode(path.read_bytes()), json_schema(INTERACTIONS))


def test_every_event_type_has_an_example() -> None:
    types = {msgspec.json.decode(p.read_bytes())["type"] for p in EXAMPLES if p.parts[-3] == INTERACTIONS.name}

    assert set(EVENT_TYPES) <= types


def test_every_topic_names_its_writers_and_readers() -> None:
    assert all(topic.writers and topic.readers for topic in TOPICS)


def test_control_and_event_types_never_collide() -> None:
    control_tags = {cls.__struct_config__.tag for cls in Control.__args__}

    assert control_tags.isdisjoint(EVENT_TYPES)
