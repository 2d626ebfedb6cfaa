"""Sentences from templates: the same random numbers give the same words."""

import re
from collections.abc import Mapping
from random import Random
from typing import Final, Literal

from services.simulator.text import chinese, english

Language = Literal["en", "zh"]

_SLOT: Final = re.compile(r"\{([a-z_]+)\}")
_PARTS: Final[Mapping[Language, Mapping[str, tuple[str, ...]]]] = {"en": english.PARTS, "zh": chinese.PARTS}
_SPACES: Final = re.compile(r" {2,}")


def sentence(language: Language, kind: str, chance: Random, core: str = "") -> str:
    """Return one text of a kind (`everyday`, `complaint`, `agent_sorry`, …).

    `core` says what the matter is, where the kind needs it: a sentence of its own, whose kind is the cause.
    Raises KeyError for a kind the grammar does not know.
    """
    parts = _PARTS[language]

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name == "order":
            return str(chance.randrange(10_000, 99_999))
        if name == "amount":
            return _amount(language, chance)
        return core if name == "core" else expand(chance.choice(parts[name]))

    def expand(template: str) -> str:
        return _SLOT.sub(fill, template)

    text = expand(chance.choice(parts[kind])).strip()
    return text if language == "zh" or not text.endswith((".", "!", "?")) else _polished(text)


def _amount(language: Language, chance: Random) -> str:
    value = chance.randrange(9, 240) + chance.choice((0, 0.5, 0.9, 0.95))
    return f"{value:.2f}元" if language == "zh" else f"${value:.2f}"


def _polished(text: str) -> str:
    """Return English text with single spaces and capitals where sentences begin."""
    text = _SPACES.sub(" ", text).strip()
    pieces = re.split(r"(?<=[.!?]) ", text)
    return " ".join(piece[:1].upper() + piece[1:] for piece in pieces)
