"""A child is started again with growing waits, its output is passed on by line, and it is stopped for good."""

import asyncio
import sys
from pathlib import Path

from services.cli.child import Backoff, Child, describe


def waits(backoff: Backoff, runs_s: list[float]) -> list[float]:
    return [backoff.next_s(ran_s) for ran_s in runs_s]


def test_waits_double_up_to_half_a_minute() -> None:
    backoff = Backoff(chance=lambda: 0.5)

    assert waits(backoff, [0.1] * 8) == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_steady_run_forgets_earlier_failures() -> None:
    backoff = Backoff(chance=lambda: 0.5)

    assert waits(backoff, [0.1, 0.1, 0.1, 60.0, 0.1]) == [0.5, 1, 2, 0.5, 1]


def test_chance_spreads_a_wait_from_half_to_one_and_a_half() -> None:
    assert waits(Backoff(chance=lambda: 0.0), [0]) == [0.25]
    assert waits(Backoff(chance=lambda: 1.0), [0]) == [0.75]


def test_an_ending_is_told_in_words() -> None:
    assert [describe(3), describe(-9), describe(-200)] == ["exit status 3", "SIGKILL", "signal 200"]


def child_of(code: str, lines: list[str]) -> Child:
    return Child([sys.executable, "-c", code], {"GREETING": "hello"}, on_line=lines.append, on_change=lambda: None)


async def test_each_line_is_passed_on_also_a_long_one_and_one_without_an_end() -> None:
    lines: list[str] = []
    code = "import os,sys; print(os.environ['GREETING']); print('x' * 200_000, file=sys.stderr); print('end', end='')"

    status = await child_of(code, lines).run_once()

    assert status == 0
    assert [line[:5] for line in lines] == ["hello", "xxxxx", "end"]
    assert len(lines[1]) == 200_000


async def test_a_child_that_cannot_be_started_is_tried_again_until_it_can(tmp_path: Path) -> None:
    lines: list[str] = []
    program, staged = tmp_path / "program", tmp_path / "staged"
    staged.write_text("#!/bin/sh\necho started\n")
    staged.chmod(0o755)
    child = Child([str(program)], {}, on_line=lines.append, on_change=lambda: None)

    running = asyncio.create_task(child.keep_running(Backoff(chance=lambda: -0.5)))
    while not lines:
        assert not running.done()
        await asyncio.sleep(0.02)
    staged.rename(program)
    while "started" not in lines:
        assert not running.done()
        await asyncio.sleep(0.02)
    await child.stop(grace_s=5)
    await running

    assert "cannot be started" in lines[0]


async def test_a_child_that_ends_is_started_again_until_stopped() -> None:
    lines: list[str] = []
    child = child_of("print('started')", lines)

    running = asyncio.create_task(child.keep_running(Backoff(chance=lambda: -0.5)))
    while lines.count("started") < 3:
        await asyncio.sleep(0.02)
    await child.stop(grace_s=5)
    await running

    assert child.restarts >= 2
    assert child.pid is None


async def test_a_child_that_ignores_the_signal_is_killed() -> None:
    lines: list[str] = []
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = child_of(code, lines)
    running = asyncio.create_task(child.keep_running(Backoff()))
    while "up" not in lines:
        await asyncio.sleep(0.02)

    await child.stop(grace_s=0.1)
    await running

    assert lines[-1] == "did not stop within 0.1 s; killed"
