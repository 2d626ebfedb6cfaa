"""Service level objectives: what share may fail, how that is measured, and how fast it may be used up.

Source: Google SRE workbook, chapter 5, "Alerting on SLOs", multiwindow, multi-burn-rate alerts; 30-day objectives.
"""

from dataclasses import dataclass

from deploy.prometheus.timing import Timing

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, slots=True)
class Objective:
    """`bad` and `all` are PromQL with WINDOW for the range; `target` is the share that must be good."""

    name: str
    title_en: str
    title_zh: str
    target: float
    bad: str
    all: str

    def error_ratio(self, window: str) -> str:
        """Return the share that was bad over a window; nothing where nothing happened."""
        bad, everything = (expression.replace("WINDOW", window) for expression in (self.bad, self.all))
        return f"({bad} or vector(0)) / ({everything} > 0)"


_TO_ALERT = "pulseline_api_ingest_to_alert_seconds"
OBJECTIVES = (
    Objective(
        "ingest_availability",
        "Ingest takes what is sent",
        "接入服务可用",
        0.999,
        'sum(rate(pulseline_ingest_requests_total{status=~"5.."}[WINDOW]))',
        "sum(rate(pulseline_ingest_requests_total[WINDOW]))",
    ),
    Objective(
        "api_availability",
        "The API and the console answer",
        "API 与控制台可用",
        0.999,
        'sum(rate(pulseline_api_requests_total{status=~"5.."}[WINDOW]))',
        "sum(rate(pulseline_api_requests_total[WINDOW]))",
    ),
    Objective(
        "alert_latency",
        "An alert is there within a second of the event that led to it",
        "事件到预警不超过 1 秒",
        0.99,
        f'(sum(rate({_TO_ALERT}_count[WINDOW])) - sum(rate({_TO_ALERT}_bucket{{le="1.0"}}[WINDOW])))',
        f"sum(rate({_TO_ALERT}_count[WINDOW]))",
    ),
)


@dataclass(frozen=True, slots=True)
class Burn:
    """The budget is used up `factor` times too fast over the long window, and still over the short one."""

    factor: float
    long: str
    short: str


# 2 % of a month's budget in an hour or 5 % in six; 10 % in a day or in three.
FAST = (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m"))
SLOW = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))


def burning(burns: tuple[Burn, ...]) -> str:
    """Return the expression that holds while any objective burns at one of the rates."""
    parts = (
        f'pulseline:slo_error:ratio{{window="{burn.long}"}} > on (slo) group_left () {burn.factor:g} * '
        f'pulseline:slo_budget:ratio and on (slo) pulseline:slo_error:ratio{{window="{burn.short}"}} '
        f"> on (slo) group_left () {burn.factor:g} * pulseline:slo_budget:ratio"
        for burn in burns
    )
    return f"max by (slo) ({' or '.join(f'({part})' for part in parts)})"


def recording(timing: Timing) -> list[tuple[str, dict[str, str], str]]:
    """Return (record, labels, expression) of each objective's budget and errors; windows keep their earnest names."""
    rows = []
    for objective in OBJECTIVES:
        rows.append(("pulseline:slo_budget:ratio", {"slo": objective.name}, f"vector({1 - objective.target:g})"))
        rows += [
            (
                "pulseline:slo_error:ratio",
                {"slo": objective.name, "window": window},
                objective.error_ratio(timing.window(window)),
            )
            for window in WINDOWS
        ]
    return rows
