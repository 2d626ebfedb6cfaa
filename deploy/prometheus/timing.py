"""Durations of rules as PromQL writes them, and the one knob a drill turns: how much shorter time runs."""

from dataclasses import dataclass

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
# A rate needs a few scrapes, and lag is measured each 5 s: nothing is looked at over less than this.
_LEAST_WINDOW_S = 10
_LEAST_PATIENCE_S = 2
_LONG_S = 6 * 3_600


def seconds(duration: str) -> int:
    """Return the seconds of a duration such as 90s, 5m, 6h, 3d."""
    return int(duration[:-1]) * dict(_UNITS)[duration[-1]]


def text(n_seconds: int) -> str:
    """Return the shortest duration of whole units."""
    unit, size = next((unit, size) for unit, size in _UNITS if n_seconds % size == 0)
    return f"{n_seconds // size}{unit}"


@dataclass(frozen=True, slots=True)
class Timing:
    """How often rules are evaluated, and how much shorter than in earnest their windows are.

    `faster` divides windows of less than six hours, `faster_long` the others; 1 is in earnest. A drill changes this
    and nothing else: the expressions stay the same.
    """

    evaluate_every: str = "15s"
    faster: int = 1
    faster_long: int = 1

    def window(self, duration: str) -> str:
        """Return a range to look over, or an age to compare with, in PromQL's notation."""
        return text(self.age_s(duration))

    def age_s(self, duration: str) -> int:
        """Return the same in seconds."""
        whole = seconds(duration)
        by = self.faster_long if whole >= _LONG_S else self.faster
        return whole if by == 1 else max(whole // by, _LEAST_WINDOW_S)

    def patience(self, duration: str) -> str:
        """Return how long a rule's condition must hold."""
        whole = seconds(duration)
        by = self.faster_long if whole >= _LONG_S else self.faster
        return duration if by == 1 else text(max(whole // by, _LEAST_PATIENCE_S))


IN_EARNEST = Timing()
DRILL = Timing(evaluate_every="1s", faster=40, faster_long=1_440)
"""Five minutes become ten seconds, an hour a minute and a half, a day a minute."""
