"""The engine beside its peers on work W1: `python -m bench.engine [--runs N] [--only NAME…] [--parts FILE]`.

Same bytes, same broker, one engine at a time, alternated; medians and best, into bench/RESULTS.md. Rates come from the
broker's append times of the outputs; those of the second half of them tell what a program does that needs to warm up.
Peers live in an environment of their own, made on first use in `.venv-bench`.
With `--parts`, what was measured is added to a file and the report is made from all of it: an idle machine can be had
for minutes at a time, each with ours and a few peers. Ratios are taken round by round, within the same minutes.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.engine import kafka_streams
from bench.engine.broker import SOURCE, Stretch, broker, count_outputs, create_topics, fill, output_stretch
from bench.engine.latency import Latency, measure_latency
from bench.engine.report import report_lines, write_report
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
    # It runs on the JDK; `module` is its name alone.
    is_java: bool = False
    # Given after the five.
    option: str = ""

    @property
    def label(self) -> str:
        """What its topics and group are called after."""
        return f"{self.module.rpartition('.')[2]}{self.option}".replace("_", "-")


ENGINES = (
    EngineUnderTest("Pulseline worker", "bench.engine.pulseline_worker"),
    EngineUnderTest("bare aiokafka, whole batches", "bench.peers.aiokafka_loop"),
    EngineUnderTest("bare confluent-kafka", "bench.peers.confluent_loop", is_peer=True),
    EngineUnderTest("bytewax", "bench.peers.bytewax_flow", is_peer=True, makes_changelog=True),
    EngineUnderTest("quixstreams", "bench.peers.quixstreams_app", is_peer=True, makes_changelog=True),
    EngineUnderTest("Kafka Streams, at least once", "KafkaStreamsApp", makes_changelog=True, is_java=True),
    EngineUnderTest(
        "Kafka Streams, exactly once",
        "KafkaStreamsApp",
        makes_changelog=True,
        is_java=True,
        option="exactly_once_v2",
    ),
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
    label = f"{engine.label}-{number}"
    sink, changelog, group = f"{label}-out", f"{label}-log", f"{label}-group"
    await create_topics(bootstrap, sink, *([] if engine.makes_changelog else [changelog]))
    options = [engine.option] if engine.option else []
    process = start(engine, bootstrap, SOURCE, sink, changelog, group, *options)
    try:
        total = await count_outputs(bootstrap, sink, engine.events, within_s=120)
        cpu_s, rss_mb = usage_of(process.pid)
    finally:
        process.kill()
        process.wait()
    stretch = await output_stretch(bootstrap, sink) if total else Stretch(0, 0.0, 0.0)
    return Run(engine.name, stretch, cpu_s, rss_mb, total >= engine.events)


def start(engine: EngineUnderTest, *arguments: str) -> subprocess.Popen[bytes]:
    """Start an engine's process; what it says is lost unless it fails to start at all."""
    if engine.is_java:
        command = [*kafka_streams.command(_PEERS_ENVIRONMENT), *arguments]
    else:
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
    """Make the peers' environment, once for each list of them."""
    installed, wanted = _PEERS_ENVIRONMENT / "installed", _PEERS.read_text()
    if installed.exists() and installed.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", str(_PEERS_ENVIRONMENT)], check=True)
    pip = [str(_PEERS_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(_PEERS)]
    subprocess.run(pip, check=True)
    installed.write_text(wanted)


async def compare(bootstrap: str, engines: list[EngineUnderTest], n_runs: int) -> list[list[Run]]:
    """Return the rounds, one run of each engine in each."""
    await create_topics(bootstrap, SOURCE)
    await fill(bootstrap)
    rounds: list[list[Run]] = []
    for number in range(n_runs):
        rounds.append([])
        for engine in engines:
            run = await run_once(bootstrap, engine, number)
            rounds[-1].append(run)
            rates = f"{run.stretch.per_second:10,.0f} /s, second half {run.stretch.later_per_second:10,.0f} /s"
            state = "" if run.is_complete else "  INCOMPLETE"
            print(f"{engine.name:32} {rates}  cpu {run.cpu_s:6.1f} s  {run.rss_mb:5.0f} MB{state}", flush=True)
    return rounds


@dataclass
class Measured:
    """What a report is made of, possibly from several invocations; the latest latencies and load count."""

    rounds: list[list[Run]]
    latencies: list[Latency]
    load: StateLoad | None


def add_to_parts(file: Path, measured: Measured) -> Measured:
    """Add what was measured to the file's; return all of it."""
    before = msgspec.json.decode(file.read_bytes(), type=Measured) if file.exists() else Measured([], [], None)
    total = Measured(
        before.rounds + measured.rounds, measured.latencies or before.latencies, measured.load or before.load
    )
    file.write_bytes(msgspec.json.encode(total))
    return total


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--parts", type=Path)
    parser.add_argument("--skip-state", action="store_true")
    parser.add_argument("--skip-latency", action="store_true")
    options = parser.parse_args()
    wanted = [engine for engine in ENGINES if not options.only or any(word in engine.name for word in options.only)]
    engines = wanted if options.runs else []
    if any(engine.is_peer for engine in engines):
        prepare_peers()
    if any(engine.is_java for engine in engines):
        if kafka_streams.has_jdk():
            kafka_streams.compile_into(_PEERS_ENVIRONMENT)
        else:
            print("no javac on the path: Kafka Streams is left out")
            engines = [engine for engine in engines if not engine.is_java]
    started = time.monotonic()
    with broker() as bootstrap:
        rounds = await compare(bootstrap, engines, options.runs) if options.runs else []
        latencies: list[Latency] = []
        if not options.skip_latency:
            latencies = [await measure_latency(bootstrap, rate) for rate in (100, 1_000)]
        load: StateLoad | None = None if options.skip_state else await measure_state_load(bootstrap)
    measured = Measured(rounds, latencies, load)
    if options.parts is not None:
        measured = add_to_parts(options.parts, measured)
    lines = report_lines(measured.rounds, measured.latencies, measured.load, ENGINES[0].name)
    print("\n".join(lines))
    if options.parts is not None or not options.only:
        write_report(lines)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
