"""What each character counts as: its folded form and its class, one table for every code point the model knows.

The table is made at training time and travels with the model, so a newer Unicode version cannot move a score.
"""

import unicodedata
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

N_CODE_POINTS: Final = 0x20000
"""Code points above (rare Han extensions, private planes) count as the last one, a space."""

SPACE, LETTER, HAN, DIGIT, PUNCTUATION, SYMBOL, BREAK = range(7)
NO_SCRIPT, HAN_SCRIPT, LATIN, ACCENTED, FOREIGN_SCRIPT = range(5)
CLASS_SHIFT: Final = 24
CLASS_MASK: Final = 7
SCRIPT_SHIFT: Final = 28
CODE_MASK: Final = (1 << CLASS_SHIFT) - 1

_SYMBOL_LIKE_PUNCTUATION: Final = "$+<=>^`|~"
_INVISIBLE: Final = (0xFE0F, 0x200D)
"""The emoji variation selector and the zero-width joiner split one emoji into several spellings."""


def build_character_table(simplified: Mapping[str, str]) -> NDArray[np.uint32]:
    """Return the table: script << 28 | class << 24 | folded code point, indexed by code point.

    `simplified` maps single traditional characters to simplified ones. Folding is NFKC, lower case, first character;
    every digit becomes 0.
    """
    table = np.zeros(N_CODE_POINTS, np.uint32)
    for code_point in range(N_CODE_POINTS):
        folded, kind = _fold(code_point, simplified)
        script = _script(folded) if kind in (HAN, LETTER) else NO_SCRIPT
        table[code_point] = folded | kind << CLASS_SHIFT | script << SCRIPT_SHIFT
    return table


def _fold(code_point: int, simplified: Mapping[str, str]) -> tuple[int, int]:
    if code_point == 0x0A:
        return code_point, BREAK
    if 0xD800 <= code_point < 0xE000 or code_point in _INVISIBLE:
        return 0x20, SPACE
    normal = unicodedata.normalize("NFKC", chr(code_point)).lower()
    character = simplified.get(normal[:1], normal[:1]) or " "
    character = "'" if character in "’`" else character
    category = unicodedata.category(character)
    folded = ord(character)
    if category[0] in "ZC" or character == "#" or folded >= N_CODE_POINTS:
        return 0x20, SPACE
    if 0x3400 <= folded <= 0x9FFF or 0x3040 <= folded <= 0x30FF or 0xF900 <= folded < 0xFB00:
        return folded, HAN
    if category[0] in "LM":
        return folded, LETTER
    if category[0] == "N":
        return 0x30, DIGIT
    if category[0] == "P" or character in _SYMBOL_LIKE_PUNCTUATION:
        return folded, PUNCTUATION
    return folded, SYMBOL


def _script(folded: int) -> int:
    if 0x61 <= folded <= 0x7A:
        return LATIN
    if 0xC0 <= folded < 0x250 or 0x1E00 <= folded < 0x1F00:
        return ACCENTED
    if 0x3400 <= folded <= 0x9FFF or 0xF900 <= folded < 0xFB00:
        return HAN_SCRIPT
    return FOREIGN_SCRIPT
