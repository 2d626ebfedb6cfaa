import subprocess
import sys
import threading

from shared.kafka.watchdog import STALLED_EXIT_CODE, Watchdog, WatchdogThread
from tests.fakes.clock import FakeClock


def _watched(clock: FakeClock) -> Watchdog:
    watchdog = Watchdog(clock, limit_s=30)
    watchdog.assigned([0, 1])
    return watchdog


def test_a_lagging_partition_that_does_not_move_is_a_stall() -> None:
    clock = FakeClock()
    watchdog = _watched(clock)
    watchdog.lagging([1])

    clock.advance(31)
    watchdog.alive()

    assert watchdog.stalled() == "partition 1 lags and has not moved for 31 s"


def test_a_lagging_partition_that_moves_is_none() -> None:
    clock = FakeClock()
    watchdog = _watched(clock)
    watchdog.lagging([1])
    clock.advance(20)
    watchdog.moved(1)

    clock.advance(20)
    watchdog.alive()

    assert watchdog.stalled() is None


def test_an_idle_partition_without_lag_is_none() -> None:
    clock = FakeClock()
    watchdog = _watched(clock)

    clock.advance(500)
    watchdog.alive()

    assert watchdog.stalled() is None


def test_a_partition_that_begins_to_lag_after_an_idle_hour_has_its_full_time() -> None:
    clock = FakeClock()
    watchdog = _watched(clock)
    clock.advance(3_600)
    watchdog.lagging([])
    watchdog.lagging([0])

    clock.advance(29)
    watchdog.alive()

    assert watchdog.stalled() is None


def test_a_blocked_event_loop_is_a_stall() -> None:
    clock = FakeClock()
    watchdog = _watched(clock)

    clock.advance(31)

    assert "event loop" in (watchdog.stalled() or "")


def test_a_partition_that_went_elsewhere_is_not_watched() -> None:
    clock = FakeClock()
    watchdog = _watched(clock)
    watchdog.lagging([1])

    watchdog.assigned([0])
    clock.advance(31)
    watchdog.alive()

    assert watchdog.stalled() is None


def test_the_thread_reports_a_stall_once() -> None:
    clock = FakeClock()
    reasons: list[str] = []
    reported = threading.Event()

    def report(reason: str) -> None:
        reasons.append(reason)
        reported.set()

    thread = WatchdogThread(_watched(clock), report)
    clock.advance(31)
    thread.start()
    reported.wait(10)
    thread.stop()

    assert len(reasons) == 1


def test_a_stalled_process_ends_at_once_and_shows_its_stacks() -> None:
    program = "from shared.kafka.watchdog import end_process; end_process('partition 1 lags')"

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == STALLED_EXIT_CODE
    assert "partition 1 lags" in ended.stderr
    assert "most recent call first" in ended.stderr
