"""How long to wait before the next attempt at something that is down."""

import secrets
from collections.abc import Iterator
from typing import Final

_FIRST_S: Final = 0.1
_LONGEST_S: Final = 5.0


def delays() -> Iterator[float]:
    """Yield seconds to wait: doubling from 0.1 to 5, each between half and the whole, so that workers spread out."""
    longest = _FIRST_S
    while True:
        yield longest * (0.5 + secrets.randbelow(1000) / 2000)
        longest = min(2 * longest, _LONGEST_S)
