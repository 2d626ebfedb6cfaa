"""Makes faults, sees the rules fire and clear, and keeps the seconds; several drills may be under way at once."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from deploy.prometheus.rules import ALERTS
from deploy.prometheus.timing import DRILL, IN_EARNEST, Timing, seconds, text
from tests.watching.prometheus import Prometheus

PATIENCE_S = 150.0
"""How long a rule may take to fire or to clear before the drill is given up: several times the longest window."""
_LOOK_EVERY_S = 0.25

KeepUp = Callable[[], None]
Fault = Callable[[], AbstractContextManager[KeepUp | None]]
"""Makes the fault on entering and undoes it on leaving; what it yields is done again and again until the rules fire."""


@dataclass(frozen=True, slots=True)
class Drill:
    rules: tuple[str, ...]
    fault: str
    make: Fault


@dataclass(slots=True)
class Outcome:
    """Seconds from the fault until the rule fired, and from its end until the rule was quiet; None: never seen."""

    rule: str
    fault: str
    fired_s: float | None = None
    cleared_s: float | None = None


@dataclass(slots=True)
class _UnderWay:
    drill: Drill
    context: AbstractContextManager[KeepUp | None]
    keep_up: KeepUp | None
    made_at: float
    """Unix time in seconds, as Prometheus tells when a rule fired."""
    mended_at: float | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        if self.mended_at is None:
            return False
        is_given_up = time.time() - self.mended_at > PATIENCE_S
        return is_given_up or all(outcome.cleared_s is not None for outcome in self.outcomes.values())


class Drills:
    """Makes faults and looks what fires. `outcomes` has every rule drilled so far, those that failed too."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._under_way: list[_UnderWay] = []
        self.outcomes: dict[str, Outcome] = {}

    def begin(self, *drills: Drill) -> None:
        """Wait until the rules are quiet, then make the faults."""
        for drill in drills:
            asked_at = time.monotonic()
            while self._firing() & set(drill.rules) and time.monotonic() - asked_at < PATIENCE_S:
                self._look()
            context, made_at = drill.make(), time.time()
            keep_up = context.__enter__()
            outcomes = {rule: Outcome(rule, drill.fault) for rule in drill.rules}
            self.outcomes |= outcomes
            self._under_way.append(_UnderWay(drill, context, keep_up, made_at, outcomes=outcomes))

    def mended(self, *drills: Drill) -> None:
        """Wait until each of these has fired and its fault is undone."""
        while any(one.mended_at is None for one in self._under_way if one.drill in drills):
            self._look()

    def over(self, *drills: Drill) -> None:
        """Wait until the rules of these are quiet again after the fault; of all drills when none is named."""
        while not all(one.is_over for one in self._under_way if not drills or one.drill in drills):
            self._look()

    def undo(self) -> None:
        """Undo what is still broken, however far the drills came."""
        for one in self._under_way:
            if one.mended_at is None:
                one.context.__exit__(None, None, None)
                one.mended_at = time.time()

    def _look(self) -> None:
        time.sleep(_LOOK_EVERY_S)
        firing, now = self._firing(), time.time()
        for one in self._under_way:
            if one.mended_at is not None:
                for rule, outcome in one.outcomes.items():
                    if outcome.cleared_s is None and rule not in firing:
                        outcome.cleared_s = now - one.mended_at
                continue
            # Not what fires now: while another fault takes long to make, a rule may fire and be quiet again.
            for rule, fired_at in self._prometheus.fired_since(one.made_at).items():
                if rule in one.outcomes:
                    one.outcomes[rule].fired_s = fired_at - one.made_at
            is_seen = all(outcome.fired_s is not None for outcome in one.outcomes.values())
            if is_seen or now - one.made_at > PATIENCE_S:
                one.context.__exit__(None, None, None)
                one.mended_at = time.time()
            elif one.keep_up is not None:
                one.keep_up()

    def _firing(self) -> set[str]:
        return self._prometheus.firing()


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the rows of docs/operations/watching.md, in the order of the rules."""
    order = [alert.name for alert in ALERTS]
    yield "| rule | fault made | looks at + holds for, in earnest | in the drill | fired after | clear after |"
    yield "|---|---|---|---|---|---|"
    for outcome in sorted(outcomes, key=lambda one: order.index(one.rule)):
        earnest, drilled = (window(outcome.rule, timing) for timing in (IN_EARNEST, DRILL))
        times = " | ".join("–" if one is None else f"{one:.0f} s" for one in (outcome.fired_s, outcome.cleared_s))
        yield f"| {outcome.rule} | {outcome.fault} | {earnest} | {drilled} | {times} |"


def window(rule: str, timing: Timing) -> str:
    """Return the longest range or age that the rule looks at, and for how long it must hold."""
    [alert] = (alert for alert in ALERTS if alert.name == rule)
    expression = alert.expression(timing)
    spans = [seconds(found) for found in re.findall(r"\[(\d+[smhd])\](?! offset)", expression)]
    spans += [seconds(timing.window(found)) for found in re.findall(r'window="(\w+)"', expression)]
    spans += [int(found) for found in re.findall(r"(?:seconds|> 0)\) > (\d+)$", expression)]
    parts = [text(max(spans))] if spans else []
    parts += [] if alert.wait == "0s" else [timing.patience(alert.wait)]
    return " + ".join(parts) or "at once"
