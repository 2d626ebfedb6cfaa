"""The engine beside its peers on work W1: `python -m bench.engine [--runs N] [--only NAME…]`.

Same bytes, same broker, one engine at a time, alternated; medians and best, into bench/RESULTS.md. Rates come from the
broker's append times of the outputs. Peers live in an environment of their own, made on first use in `.venv-bench`.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.engine.broker import SOURCE, Stretch, broker, count_outputs, create_topics, fill, output_stretch
from bench.engine.latency import Latency, measure_latency
from bench.engine.report import write_report
from bench.engine.state_load import StateLoad, measure_state_load
from bench.peers.work import EVENTS

_ROOT = Path(__file__).resolve().parents[2]
_PEERS_ENVIRONMENT = _ROOT / ".venv-bench"
_PEERS = _ROOT / "requirements" / "bench.in"


@dataclass(frozen=True)
class EngineUnderTest:
    """One program of the comparison: five arguments (broker, source, sink, changelog, group), runs until killed."""

    name: str
    module: str
    is_peer: bool = False
    # The slowest are given less to do; their rate is what counts.
    events: int = EVENTS
    # It makes its own topics.
    makes_changelog: bool = False


ENGINES = (
    EngineUnderTest("Pulseline worker", "bench.engine.pulseline_worker"),
    EngineUnderTest("bare aiokafka, whole batches", "bench.peers.aiokafka_loop"),
    EngineUnderTest("bare confluent-kafka", "bench.peers.confluent_loop", is_peer=True),
    EngineUnderTest("bytewax", "bench.peers.bytewax_flow", is_peer=True, makes_changelog=True),
    EngineUnderTest("quixstreams", "bench.peers.quixstreams_app", is_peer=True, makes_changelog=True),
    EngineUnderTest("Faust, event by event", "bench.peers.faust_per_event", events=EVENTS // 15, makes_changelog=True),
)


@dataclass(frozen=True)
class Run:
    """What one engine did in one run; CPU seconds and RSS are the whole process's."""

    engine: str
    stretch: Stretch
    cpu_s: float
    rss_mb: float
    is_complete: bool


async def run_once(bootstrap: str, engine: EngineUnderTest, number: int) -> Run:
    """Run one engine over the input from its beginning."""
    label = f"{engine.module.rpartition('.')[2].replace('_', '-')}-{number}"
    sink, changelog, group = f"{label}-out", f"{label}-log", f"{label}-group"
    await create_topics(bootstrap, sink, *([] if engine.makes_changelog else [changelog]))
    process = start(engine, bootstrap, SOURCE, sink, changelog, group)
    try:
        total = await count_outputs(bootstrap, sink, engine.events, within_s=120)
        cpu_s, rss_mb = usage_of(process.pid)
    finally:
        process.kill()
        process.wait()
    stretch = await output_stretch(bootstrap, sink) if total else Stretch(0, 0.0)
    return Run(engine.name, stretch, cpu_s, rss_mb, total >= engine.events)


def start(engine: EngineUnderTest, *arguments: str) -> subprocess.Popen[bytes]:
    """Start an engine's process; what it says is lost unless it fails to start at all."""
    python = str(_PEERS_ENVIRONMENT / "bin" / "python") if engine.is_peer else sys.executable
    command = [python, "-W", "ignore", "-m", engine.module, *arguments]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)


def usage_of(pid: int) -> tuple[float, float]:
    """Return CPU seconds so far and the greatest resident size in MB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / 100, peak_kb / 1024


def prepare_peers() -> None:
    """Make the peers' environment once."""
    if not (_PEERS_ENVIRONMENT / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(_PEERS_ENVIRONMENT)], check=True)
    pip = [str(_PEERS_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(_PEERS)]
    subprocess.run(pip, check=True)


async def compare(bootstrap: str, engines: list[EngineUnderTest], n_runs: int) -> dict[str, list[Run]]:
    """Return the runs of each engine, alternated."""
    await create_topics(bootstrap, SOURCE)
    await fill(bootstrap)
    runs: dict[str, list[Run]] = {engine.name: [] for engine in engines}
    for number in range(n_runs):
        for engine in engines:
            run = await run_once(bootstrap, engine, number)
            runs[engine.name].append(run)
            print(
                f"{engine.name:32} {run.stretch.per_second:10,.0f} /s  cpu {run.cpu_s:6.1f} s  {run.rss_mb:5.0f} MB"
                f"{'' if run.is_complete else '  INCOMPLETE'}",
                flush=True,
            )
    return runs


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--skip-state", action="store_true")
    parser.add_argument("--skip-latency", action="store_true")
    options = parser.parse_args()
    engines = [engine for engine in ENGINES if not options.only or any(word in engine.name for word in options.only)]
    if any(engine.is_peer for engine in engines):
        prepare_peers()
    started = time.monotonic()
    with broker() as bootstrap:
        runs = await compare(bootstrap, engines, options.runs)
        latencies: list[Latency] = []
        if not options.skip_latency:
            latencies = [await measure_latency(bootstrap, rate) for rate in (100, 1_000)]
        load: StateLoad | None = None if options.skip_state else await measure_state_load(bootstrap)
    medians = {name: statistics.median(run.stretch.per_second for run in of) for name, of in runs.items()}
    ours = medians.get(ENGINES[0].name, 0.0)
    for name, rate in sorted(medians.items(), key=lambda one: -one[1]):
        print(f"{name:32} median {rate:10,.0f} /s   ours is {ours / rate if rate else 0:6.2f} x")
    for latency in latencies:
        print(latency)
    if load is not None:
        print(load)
    if not options.only:
        write_report(runs, latencies, load, ENGINES[0].name)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
