"""Checked-in deliveries keep becoming the checked-in events, and every provider has its page with its credentials."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ingest.channel import ALIASES, CHANNELS, CREDENTIALS, PROVIDERS, ChannelRequest
from services.ingest.channel.payload import instant_of
from shared.contracts.codec import encode

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "tests" / "examples" / "channels").glob("*.json"))
PAGES = ROOT / "docs" / "channels"


def _example(path: Path) -> tuple[dict[str, Any], ChannelRequest]:
    stored = json.loads(path.read_bytes())
    parts = {name: stored[name] for name in ("method", "url", "headers", "body")}
    return stored, ChannelRequest(**parts, received_at=instant_of(stored["received_at"]))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_verifies_and_becomes_its_events(path: Path) -> None:
    stored, request = _example(path)
    channel = CHANNELS[stored["provider"]]

    channel.verify(request, stored["credentials"])
    events = channel.parse(request, stored["credentials"])

    assert [json.loads(encode(event)) for event in events] == stored["events"]


def test_every_provider_has_an_example() -> None:
    assert {json.loads(path.read_bytes())["provider"] for path in EXAMPLES} == set(PROVIDERS)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_has_a_page_that_names_its_credentials(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)

    assert block is not None
    (connection,) = yaml.safe_load(block[1])
    assert connection["provider"] == name
    assert tuple(connection["credentials"]) == CREDENTIALS[name]
    assert f"({name}.md)" in (PAGES / "index.md").read_text(encoding="utf-8")


def test_aliases_lead_to_providers() -> None:
    assert set(CREDENTIALS) == set(PROVIDERS)
    assert all(CHANNELS[alias] is PROVIDERS[name] for alias, name in ALIASES.items())
