"""When wake-ups happen: how long after a day's end, and on which instants they fall."""

from typing import Final

CHECK_DELAY_MS: Final = 15 * 60_000
"""How long after a UTC day's end its checks are carried out: stragglers of the day arrive first. Stamps do not move."""

SETTLE_MS: Final = 15 * 60_000
"""How long after imported history was received its customer is judged (docs/adr/0007)."""

ROUND_MS: Final = 5 * 60_000
"""Wake-ups fall on whole five minutes, so that many come at once."""


def rounded_down(at_ms: int) -> int:
    return at_ms // ROUND_MS * ROUND_MS


def rounded_up(at_ms: int) -> int:
    return -(-at_ms // ROUND_MS) * ROUND_MS
