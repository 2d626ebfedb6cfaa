"""What the documents name exists: commands with their options, metrics, settings, rules, panels, routes, files."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from services.cli.main import COMMANDS, build
from shared.settings import TOOL_SETTINGS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
HISTORY = ROOT / "CHANGELOG.md"
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {HISTORY})
FILES = r"(?:docs|deploy|services|shared|tests|bench|pulseline|requirements)/[\w./-]+"


def found(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, text))


@cache
def reference(page: str) -> str:
    return (REFERENCE / page).read_text("utf-8")


@cache
def rule_names() -> set[str]:
    document = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules" / "pulseline.yml").read_text("utf-8"))
    return {rule.get("alert") or rule["record"] for group in document["groups"] for rule in group["rules"]}


@cache
def panels() -> dict[str, set[str]]:
    """Return the titles of each dashboard's panels, by the dashboard's title."""
    boards = [
        json.loads(path.read_text("utf-8")) for path in (ROOT / "deploy" / "grafana" / "dashboards" / "en").iterdir()
    ]
    return {
        board["title"].removeprefix("Pulseline: ").lower(): {panel["title"] for panel in board["panels"]}
        for board in boards
    }


@cache
def routes() -> set[tuple[str, str]]:
    return {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for page in ("openapi-api.json", "openapi-ingest.json")
        for path, methods in json.loads(reference(page))["paths"].items()
        for method in methods
    }


def wrong_names(text: str) -> Iterator[str]:
    """Yield each name of a metric, setting, rule, panel, route, target, module or file that nothing bears."""
    metrics = found(r"pulseline_\w+", reference("metrics.md"))
    for name in found(r"\bpulseline_[a-z]\w*[a-z]\b", text):
        if not {name, re.sub(r"_(bucket|count|sum)$", "", name)} & metrics:
            yield f"metric {name}"
    settings = found(r"PULSELINE_\w+", reference("settings.md")) | {f"PULSELINE_{name}" for name in TOOL_SETTINGS}
    yield from (f"setting {name}" for name in found(r"PULSELINE_[A-Z_]+[A-Z]", text) - settings)
    yield from (f"rule {name}" for name in found(r"\bPulseline[A-Z]\w+", text) - rule_names())
    yield from (f"recording {name}" for name in found(r"pulseline:\w+:\w+", text) - rule_names())
    for board, panel in re.findall(r"\*([A-Z][\w, ]+) → ([^*\n]+(?:\n[^*\n]+)?)\*", text):
        if " ".join(panel.split()) not in panels().get(board.lower(), set()):
            yield f"panel {board} → {panel}"
    for methods, path in re.findall(r"\b([A-Z]+(?:, [A-Z]+)*) (/v1/[\w/{}.:-]+)", text):
        for method in methods.split(", "):
            if (method, re.sub(r"\{\w+\}", "{}", path.rstrip(".:"))) not in routes():
                yield f"route {method} {path}"
    targets = found(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"))
    yield from (f"target {name}" for name in found(r"(?:`|^)make ([a-z-]+)", text) - targets)
    for module in found(r"python -m ([a-z_]+(?:\.[a-z_]+)*)", text):
        place = ROOT / module.replace(".", "/")
        if not place.with_suffix(".py").exists() and not (place / "__main__.py").exists():
            yield f"module {module}"
    yield from (f"file {name}" for name in found(f"`({FILES})`", text) if not (ROOT / name).exists())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    assert not set(wrong_names(page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = found(r"\]\(([^)#\s]+)", page.read_text("utf-8"))

    assert not {link for link in links if ":" not in link and not (page.parent / link).exists()}


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each `pulseline …` in code, up to the end of its line."""
    for fence in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        for line in fence.replace("\\\n", " ").splitlines():
            if match := re.search(r"(?:^|bin/|\$ )pulseline (.+)", line.split("   #")[0].split("|")[0]):
                yield match[1].split()
    for code in re.findall(r"`pulseline ([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        yield code.split()


def unknown_part(words: list[str]) -> str | None:
    """Return the first word of a command line that is no command and no option of it."""
    if not words[0].isalpha():
        return None
    if words[0] not in COMMANDS:
        return words[0]
    command = typer.main.get_command(build(words[0])).commands[words[0]]  # type: ignore[attr-defined]
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    for word in words[1:]:
        children = getattr(command, "commands", {})
        if word in children:
            command = children[word]
            options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
        elif word.startswith("--") and word.split("=")[0].rstrip("…,.") not in {*options, "--help"}:
            return word
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_command_lines_name_commands_and_options(page: Path) -> None:
    lines = list(command_lines(page.read_text("utf-8")))

    assert not [" ".join(words) for words in lines if unknown_part(words) is not None]


def test_a_wrong_name_of_each_kind_is_found() -> None:
    page = (
        "`pulseline_worker_lag_minutes` PULSELINE_PARTITION PulselineServiceUp pulseline:lag:most *Overview → Nothing* "
        "GET /v1/nothing `make nothing` python -m services.nothing `docs/nothing.md`"
    )

    assert len(set(wrong_names(page))) == 9
    assert unknown_part(["up", "--detached"]) == "--detached"
    assert unknown_part(["begin"]) == "begin"
