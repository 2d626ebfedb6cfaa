"""The console's files: whole vendored libraries, equal catalogues, no words outside them, no weight above budget."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from services.api import settings
from services.api.alert.model import Promise, Resolution, Status
from services.api.alert.schemas import ACTION_BODIES
from services.api.auth.schemas import RotateKeyBody
from services.api.identity.model import Decision
from services.api.identity.schemas import DecideBody, LinkBody, UnlinkBody
from services.api.interaction.schemas import LabelBody
from services.api.notification.model import EndpointKind
from services.api.notification.schemas import EndpointChangeBody
from services.api.policy.store import TYPES as POLICIES
from services.api.segment.model import RiskState
from services.api.segment.schemas import SegmentBody
from services.churn_alerts.alert.playbook import shipped_playbooks
from services.churn_alerts.customer.generation import GROUP_NAMES
from shared.connection.provider import PROVIDERS
from shared.contracts.alert import Cause, ClearReason, Severity, SignalName, Tier
from shared.contracts.enriched import Aspect, SentimentLabel
from shared.contracts.event import EVENT_TYPES, Channel, Direction
from shared.postgres.api_keys import Role

CONSOLE = Path(settings.__file__).parent / "console"
VENDOR = CONSOLE / "vendor"
OURS = sorted(path for path in CONSOLE.rglob("*.mjs") if "vendor" not in path.parts)
DRAWING = [path for path in OURS if path.parent.name in ("component", "page") or path.name == "main.mjs"]
JAVASCRIPT_BUDGET = 150 * 1024

_LINE = re.compile(r'^  "(?P<key>[\w.-]+)": (?P<texts>\[.*\]),$', re.MULTILINE)
_TEMPLATE = re.compile(r"html`")
_ATTRIBUTE = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]+)"')


def vendored() -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((VENDOR / "VENDOR.json").read_text(encoding="utf-8"))
    return manifest


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def words() -> dict[str, list[Any]]:
    """Return the English and the Chinese text of every key; a text with plural forms is an object."""
    source = (CONSOLE / "i18n" / "words.mjs").read_text(encoding="utf-8")
    return {
        match["key"]: json.loads(re.sub(r"(?<=[{,] )(\w+):(?= \")", r'"\1":', match["texts"]))
        for match in _LINE.finditer(source)
    }


def placeholders(value: str | dict[str, str]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", json.dumps(value)))


def literal_words(source: str) -> list[str]:
    """Return the words that html templates hold outside `${}`, between tags and in attributes that are read out."""
    found: list[str] = []
    for start in (match.end() for match in _TEMPLATE.finditer(source)):
        text, at, depth = [], start, 0
        while at < len(source) and (depth or source[at] != "`"):
            if source.startswith("${", at):
                depth += 1
                at += 2
                text.append("\x00" if depth == 1 else "")
                continue
            if depth:
                depth += {"{": 1, "}": -1}.get(source[at], 0)
            else:
                text.append(source[at])
            at += 1
        template = "".join(text)
        found += [word for word in _ATTRIBUTE.findall(template) if re.search(r"[^\W\d_]", word)]
        between = re.sub(r"<[^<>]*>", "\x00", template)
        found += [part for part in between.split("\x00") if re.search(r"[^\W\d_]", part)]
    return found


def test_a_template_with_words_of_its_own_is_noticed() -> None:
    source = 'html`<p title="Hello">${t("a.b")} World ${x ? html`<b>inner</b>` : ""}</p>`'

    assert literal_words(source) == ["Hello", " World ", "inner"]


@pytest.mark.parametrize("path", DRAWING, ids=lambda path: path.name)
def test_no_page_holds_words_outside_the_catalogues(path: Path) -> None:
    assert literal_words(path.read_text(encoding="utf-8")) == []


def test_every_text_is_there_once_in_both_languages_with_the_same_blanks() -> None:
    source = (CONSOLE / "i18n" / "words.mjs").read_text(encoding="utf-8")
    lines = [line for line in source.partition("export default {")[2].splitlines() if line.startswith(" ")]

    assert len(words()) == len(lines)
    assert {key: [bool(text) for text in texts] for key, texts in words().items()} == dict.fromkeys(words(), [True] * 2)
    assert [key for key, (english, chinese) in words().items() if placeholders(english) != placeholders(chinese)] == []


def test_every_text_a_page_asks_for_exists() -> None:
    asked = {key for path in OURS for key in re.findall(r'\bt\(\s*"([\w.-]+)"', path.read_text(encoding="utf-8"))}

    assert asked - words().keys() == set()


def test_every_text_is_asked_for() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in OURS if path.parent.name != "i18n")
    families = set(re.findall(r"`([a-z_.-]+)\.\$\{", source)) | set(re.findall(r'\bterm\("(\w+)"', source))
    quoted = set(re.findall(r'"([\w.-]+)"', source))

    unused = {key for key in words() if key not in quoted and not any(key.startswith(f"{stem}.") for stem in families)}

    assert unused == set()


def members(schema: Any) -> set[str]:
    """Return the names of all members that a JSON Schema tells of."""
    if isinstance(schema, list):
        return set().union(*map(members, schema))
    if not isinstance(schema, dict):
        return set()
    properties = schema.get("properties", {})
    return set(properties).union(*map(members, schema.values()))


# What the audit log tells of a change: the body that was sent, or these.
TOLD_OF_KEYS_AND_LETTERS = {
    "name", "role", "provider", "credentials", "settings", "drop_previous", "kind", "changed", "n_queued", "is_mended",
    "filter", "segment",
}  # fmt: skip
AUDITED = (
    *ACTION_BODIES.values(), *POLICIES.values(), RotateKeyBody, DecideBody, LinkBody, UnlinkBody, LabelBody,
    SegmentBody, EndpointChangeBody,
)  # fmt: skip
_, AUDITED_SCHEMAS = msgspec.json.schema_components(AUDITED)
TERMS: list[tuple[str, tuple[str, ...]]] = [
    ("severity", get_args(Severity)),
    ("status", get_args(Status)),
    ("resolution", (*get_args(Resolution), *get_args(ClearReason))),
    ("cause", get_args(Cause)),
    ("tier", get_args(Tier)),
    ("aspect", get_args(Aspect)),
    ("sentiment", get_args(SentimentLabel)),
    ("channel", get_args(Channel)),
    ("direction", get_args(Direction)),
    ("signal", get_args(SignalName)),
    ("role", get_args(Role)),
    ("provider", tuple(PROVIDERS)),
    ("endpoint", get_args(EndpointKind)),
    ("risk_group", GROUP_NAMES),
    ("promise.broken", get_args(Promise)),
    ("risk_state", get_args(RiskState)),
    ("decision", get_args(Decision)),
    (
        "detail",
        tuple(TOLD_OF_KEYS_AND_LETTERS | set().union(*map(members, AUDITED_SCHEMAS.values())) - {"start", "end"}),
    ),
    ("detail", ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")),
    ("type", tuple(kind for kind in EVENT_TYPES if kind != "customer.erased")),
]


@pytest.mark.parametrize(("stem", "values"), TERMS, ids=[stem for stem, _ in TERMS])
def test_every_value_of_the_contracts_has_a_word(stem: str, values: tuple[str, ...]) -> None:
    assert {f"{stem}.{value}" for value in values} - words().keys() == set()


def test_the_words_of_the_shipped_playbooks_are_those_of_their_yaml() -> None:
    text = (CONSOLE / "i18n" / "playbooks.mjs").read_text(encoding="utf-8")
    body = text.partition("export default ")[2].rstrip().rstrip(";")
    shown = json.loads(
        re.sub(r",(\s*[}\]])", r"\1", re.sub(r"^( +)(en|zh|title|steps):", r'\1"\2":', body, flags=re.MULTILINE))
    )

    assert shown == {
        playbook.name: {
            "en": {"title": playbook.title_en, "steps": list(playbook.steps_en)},
            "zh": {"title": playbook.title_zh, "steps": list(playbook.steps_zh)},
        }
        for playbook in shipped_playbooks()
    }


@pytest.mark.parametrize("entry", vendored()["files"], ids=lambda entry: entry["file"])
def test_a_vendored_library_is_the_published_one_but_for_its_import_addresses(entry: dict[str, Any]) -> None:
    content = (VENDOR / entry["file"]).read_text(encoding="utf-8")

    upstream = content
    for name, address in entry["imports"].items():
        upstream = upstream.replace(f'from"{address}"', f'from"{name}"')

    assert digest(content.encode()) == entry["sha256"]
    assert digest(upstream.encode()) == entry["sha256_upstream"]
    assert (VENDOR / entry["licence_file"]).is_file()


def test_nothing_is_vendored_that_is_not_recorded() -> None:
    manifest = vendored()

    recorded = {entry["file"] for entry in (*manifest["files"], *manifest["licences"])}

    assert {path.name for path in VENDOR.iterdir()} == recorded | {"VENDOR.json"}


def imports(path: Path) -> list[Path]:
    """Return the modules a module cannot start without."""
    return [
        (path.parent / name).resolve() for name in re.findall(r'\bfrom ?"([^"]+)"', path.read_text(encoding="utf-8"))
    ]


def test_every_import_leads_to_a_file_of_the_console() -> None:
    for path in OURS:
        later = re.findall(r'\bimport\("([^"]+)"\)', path.read_text(encoding="utf-8"))
        wanted = [*imports(path), *((path.parent / name).resolve() for name in later)]

        assert [one for one in wanted if not one.is_file()] == []


def test_what_the_first_page_needs_is_fetched_at_once_instead_of_import_by_import() -> None:
    page = (CONSOLE / "index.html").read_text(encoding="utf-8")
    needed: set[Path] = set()
    waiting = [CONSOLE / "main.mjs"]

    while waiting:
        found = set(imports(waiting.pop())) - needed
        needed |= found
        waiting += found

    preloaded = re.findall(r'rel="modulepreload" href="([^"]+)"', page)
    assert sorted(preloaded) == sorted(path.relative_to(CONSOLE.resolve()).as_posix() for path in needed)


def test_all_javascript_together_stays_within_its_budget() -> None:
    sizes = [len(gzip.compress(path.read_bytes(), 9)) for path in CONSOLE.rglob("*.mjs")]

    assert sum(sizes) <= JAVASCRIPT_BUDGET


def test_nothing_runs_or_is_styled_inline() -> None:
    page = (CONSOLE / "index.html").read_text(encoding="utf-8")

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=", page) == []
    assert [path.name for path in OURS if "innerHTML" in path.read_text(encoding="utf-8")] == []


def test_colours_live_in_the_tokens_alone() -> None:
    rules = (CONSOLE / "style" / "console.css").read_text(encoding="utf-8")

    assert re.findall(r"#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(", rules) == []
