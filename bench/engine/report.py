"""The comparison as a section of bench/RESULTS.md, replaced as a whole by every full run."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"
_WORK = (
    "Work W1: 300,000 events of 280 bytes, 20,000 customers, 4 partitions: parse, count for the customer, emit "
    "enriched, state durable, offsets committed; one worker, runs alternated (`make bench-engine`). CPU includes the "
    "start of the process."
)
_ENGINES_HEAD = (
    "| engine | runs | events/s, median | best | ours is (median of rounds) | CPU s | RSS MB |",
    "|---|---|---|---|---|---|---|",
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
    ratios: dict[str, list[float]] = {}
    for one_round in rounds:
        rate_of_ours = next((run.stretch.per_second for run in one_round if run.engine == ours), 0.0)
        for run in one_round:
            runs.setdefault(run.engine, []).append(run)
            if run.stretch.per_second:
                ratios.setdefault(run.engine, []).append(rate_of_ours / run.stretch.per_second)
    # What else ran on the machine decides as much as the engines do: an idle one stands near 2 during the runs.
    load_average = f"load average {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    today = f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}, Python {platform.python_version()}, {load_average}"
    lines = ["## Stream engine", "", f"{today}, the embedded Kafka on the same cores. {_WORK}", "", *_ENGINES_HEAD]
    for name, of in sorted(runs.items(), key=lambda one: -_median_rate(one[1])):
        best = max(run.stretch.per_second for run in of)
        ratio = f"{statistics.median(ratios[name]):.2f} ×" if name in ratios else "did not finish"
        cpu_s = statistics.median(run.cpu_s for run in of)
        rss_mb = statistics.median(run.rss_mb for run in of)
        lines.append(
            f"| {name} | {len(of)} | {_median_rate(of):,.0f} | {best:,.0f} | {ratio} | {cpu_s:.1f} | {rss_mb:.0f} |"
        )
    lines += ["", *_LATENCY_HEAD]
    lines += [f"| {one.rate:,} | {one.p50_ms:.1f} | {one.p99_ms:.1f} | {one.worst_ms:.1f} |" for one in latencies]
    if load is not None:
        recovery = f"Recovery: {load.customers:,} customers of 300 bytes, all partitions, in {load.load_s:.1f} s"
        memory = f"the process has {load.rss_mb:.0f} MB, {load.timers_mb:.0f} MB of it timers"
        lines += ["", f"{recovery}; {memory}; a tick with nothing due takes {load.tick_ms:.2f} ms."]
    return lines


def _median_rate(runs: Sequence[Any]) -> float:
    rate: float = statistics.median(run.stretch.per_second for run in runs)
    return rate


def _machine() -> str:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return model.partition(":")[2].strip() or platform.machine()
