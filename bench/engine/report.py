"""The comparison as a section of bench/RESULTS.md, replaced as a whole by every full run."""

import os
import platform
import re
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"
_WORK = (
    "Work W1: 300,000 events of 280 bytes, 20,000 customers, 4 partitions: parse, count for the customer, emit "
    "enriched, state durable, offsets committed; one worker, runs alternated (`make bench-engine`). Ratios are medians "
    "of the rounds. The second half of the outputs stands for a program that has warmed up (a JVM). CPU includes the "
    "start of the process."
)
_ENGINES_HEAD = (
    "| engine | runs | events/s, median | best | ours is | second half, events/s | ours is | CPU s | RSS MB |",
    "|---|---|---|---|---|---|---|---|---|",
)
_LATENCY_HEAD = (
    "From produce to output, one worker:",
    "",
    "| events/s | p50 ms | p99 ms | worst ms |",
    "|---|---|---|---|",
)
_BEGIN, _END = "<!-- engine: begin -->", "<!-- engine: end -->"


def write_report(lines: Sequence[str]) -> None:
    """Write the section into RESULTS.md."""
    section = "\n".join([_BEGIN, *lines, _END])
    text = _RESULTS.read_text() if _RESULTS.exists() else "# Measured\n"
    if _BEGIN in text:
        text = re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: section, text, flags=re.DOTALL)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    _RESULTS.write_text(text)


def report_lines(rounds: Sequence[Sequence[Any]], latencies: Sequence[Any], load: Any, ours: str) -> list[str]:
    """Return the section: the engines by their median rate, latencies, recovery."""
    runs: dict[str, list[Any]] = {}
    for one_round in rounds:
        for run in one_round:
            runs.setdefault(run.engine, []).append(run)
    ratios, later_ratios = (_ratios(rounds, ours, rate) for rate in (_rate, _later_rate))
    # What else ran on the machine decides as much as the engines do: an idle one stands near 2 during the runs.
    load_average = f"load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    today = f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}, Python {platform.python_version()}, {load_average}"
    lines = ["## Stream engine", "", f"{today}, the embedded Kafka on the same cores. {_WORK}", "", *_ENGINES_HEAD]
    for name, of in sorted(runs.items(), key=lambda one: -statistics.median(map(_rate, one[1]))):
        rate, best = statistics.median(map(_rate, of)), max(map(_rate, of))
        later = statistics.median(map(_later_rate, of))
        cpu_s = statistics.median(run.cpu_s for run in of)
        rss_mb = statistics.median(run.rss_mb for run in of)
        lines.append(
            f"| {name} | {len(of)} | {rate:,.0f} | {best:,.0f} | {ratios.get(name, 'did not finish')} "
            f"| {later:,.0f} | {later_ratios.get(name, '')} | {cpu_s:.1f} | {rss_mb:.0f} |"
        )
    lines += ["", *_LATENCY_HEAD]
    lines += [f"| {one.rate:,} | {one.p50_ms:.1f} | {one.p99_ms:.1f} | {one.worst_ms:.1f} |" for one in latencies]
    if load is not None:
        recovery = f"Recovery: {load.customers:,} customers of 300 bytes, all partitions, in {load.load_s:.1f} s"
        memory = f"the process has {load.rss_mb:.0f} MB, {load.timers_mb:.0f} MB of it timers"
        lines += ["", f"{recovery}; {memory}; a tick with nothing due takes {load.tick_ms:.2f} ms."]
    return lines


def _rate(run: Any) -> float:
    rate: float = run.stretch.per_second
    return rate


def _later_rate(run: Any) -> float:
    rate: float = run.stretch.later_per_second
    return rate


def _ratios(rounds: Sequence[Sequence[Any]], ours: str, rate: Callable[[Any], float]) -> dict[str, str]:
    """Return how many times as fast as each engine ours is: the median of what it was in each round."""
    ratios: dict[str, list[float]] = {}
    for one_round in rounds:
        rate_of_ours = next((rate(run) for run in one_round if run.engine == ours), 0.0)
        for run in one_round:
            if rate(run) and rate_of_ours:
                ratios.setdefault(run.engine, []).append(rate_of_ours / rate(run))
    return {name: f"{statistics.median(of):.2f} ×" for name, of in ratios.items()}


def _machine() -> str:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return model.partition(":")[2].strip() or platform.machine()
