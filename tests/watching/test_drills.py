"""Every rule in a drill: its fault is made on real processes, a real Prometheus fires, and is quiet once it is undone.

    make test-drills        # prints the table of docs/operations/watching.md

Time runs faster by generation (deploy/prometheus/timing.py, DRILL); the expressions are those of earnest. All drills
share one running system, and leave it healthy; those that take long and disturb nobody go on beside the others. They
are one test, so that one tried again begins with a system in which nothing has happened yet.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from deploy.prometheus.rules import ALERTS
from deploy.prometheus.timing import DRILL
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from tests.e2e.system import eventually
from tests.watching import faults
from tests.watching.drill import PATIENCE_S, Drill, Drills, Outcome, table
from tests.watching.faults import Place, QuietTraffic, raise_alerts
from tests.watching.prometheus import Alertmanager
from tests.watching.watched import Receiver, Watched

pytestmark = [pytest.mark.drills, pytest.mark.integration, pytest.mark.timeout(1_500)]

MOST_CONNECTIONS = 60
POOL = 5


@contextmanager
def running_place(folder: Path) -> Iterator[Place]:
    """Run a system that the drills alone use, with messages coming in and nothing wrong."""
    with ExitStack() as running:
        kafka = EmbeddedKafka(folder / "kafka")
        kafka.start()
        running.callback(kafka.kill)
        settings = {"fsync": "off", "max_connections": str(MOST_CONNECTIONS)}
        database = EmbeddedPostgres(folder / "postgres" / "data", settings=settings)
        database.start()
        running.callback(database.kill)
        upgrade(database.url())
        disk = running.enter_context(faults.small_disk(folder / "disk", 8))
        watched = running.enter_context(
            Watched(
                kafka.bootstrap,
                "drill-",
                database.url(),
                folder,
                DRILL,
                {
                    "PULSELINE_API_POOL_SIZE": str(POOL),
                    **({"PULSELINE_STATE_DIR": str(disk)} if disk is not None else {}),
                },
                alertmanager=(alertmanager := running.enter_context(Alertmanager(folder / "alertmanager"))).address,
            )
        )
        running.enter_context(QuietTraffic(watched))
        yield Place(watched, kafka, database, alertmanager, disk)


def outcomes(place: Place) -> dict[str, Outcome]:
    """Return what became of every drill; when one ends them all, the others' seconds are printed."""
    with ExitStack() as stack:
        receivers = [stack.enter_context(Receiver().serving()) for _ in range(2)]
        drills = Drills(place.watched.prometheus)
        stack.callback(drills.undo)
        try:
            run(drills, place, receivers)
            watch_the_watchdog(drills, place)
        finally:
            print("", *table(drills.outcomes.values()), sep="\n")
        return drills.outcomes


def run(drills: Drills, place: Place, receivers: list[Receiver]) -> None:
    """Make every fault. Customers 0 to 99 are those about whom alerts are raised."""
    # An increase is counted from the first value that Prometheus saw.
    eventually(lambda: place.watched.value("sum(pulseline_churn_alerts_raised_total)") >= 0)
    raise_alerts(place.watched, range(10))
    eventually(lambda: place.watched.value('sum(pulseline_api_alerts{status="open"})') >= 8, 90)

    calm = Drill(
        ("PulselineNoAlertsForADay",),
        "events come in, and none that raises an alert, for the drill's day",
        partial(faults.nothing_alarming, place, range(10, 12)),
    )
    untouched = Drill(
        ("PulselineAlertsUntouched",),
        "nobody takes on the alerts that were raised",
        partial(faults.untouched_alerts, place),
    )
    letters = Drill(
        ("PulselineDeadLettersOpen",),
        "three records that cannot be read, and nobody who looks at them",
        partial(faults.open_dead_letters, place),
    )
    drift = Drill(
        ("PulselineCalibrationDrift",),
        f"risks of .9 told about {faults.N_CALIBRATED} customers who all bought within the horizon",
        partial(faults.drifting_model, place),
    )
    silent = Drill(
        ("PulselineConnectionSilent",),
        "a connection that delivered 199 messages delivers no more",
        partial(faults.silent_connection, place),
    )
    drills.begin(calm, untouched, letters, drift, silent)

    poison = Drill(("PulselinePoisonShare",), "40 records that cannot be read", partial(faults.poisoned, place, 40))
    disk = (
        []
        if place.disk is None
        else [
            Drill(
                ("PulselineDiskFilling",),
                "a file that fills the small disk of the state folder",
                partial(faults.full_disk, place.disk),
            )
        ]
    )
    model = Drill(
        ("PulselineRefitOverdue",),
        "a generation in force that was published sixty days ago",
        partial(faults.old_model, place),
    )
    forged = Drill(
        ("PulselineConnectionRefused",),
        "30 deliveries with a wrong signature",
        partial(faults.forged_deliveries, place),
    )
    swollen = Drill(
        ("PulselineMemoryHigh",),
        "110 uploads of 5 MB to ingest that are never finished, its bound on open bodies lifted",
        partial(faults.swollen, place, "ingest"),
    )
    crowded = Drill(
        ("PulselinePostgresConnections",),
        f"{MOST_CONNECTIONS - 12} of {MOST_CONNECTIONS} connections kept open by somebody else",
        partial(faults.held_open, place, MOST_CONNECTIONS - 12),
    )
    drills.begin(poison, *disk, model, forged, swollen)
    drills.mended(silent, poison, *disk, model, forged, swollen)

    hanging = Drill(
        ("PulselineServiceDown",),
        "the sentiment process stopped by SIGSTOP",
        partial(faults.hanging, place, "sentiment"),
    )
    drills.begin(hanging)
    drills.over(hanging)
    slow = Drill(
        ("PulselineLagHigh",),
        "the broker hands sentiment 1 kB/s of its input (a quota)",
        partial(faults.slow_input, place, "sentiment"),
    )
    drills.begin(slow)
    drills.over(slow)
    restless = Drill(
        ("PulselineRebalancing",),
        "the sentiment process put out of its group again and again",
        partial(faults.restless_group, place, "sentiment"),
    )
    drills.begin(restless)
    drills.mended(restless)
    crashing = Drill(
        ("PulselineServiceRestarting",),
        "kill -9 of sentiment each time it has started",
        partial(faults.crashing, place, "sentiment"),
    )
    drills.begin(crashing)
    drills.mended(crashing)
    loading = Drill(
        ("PulselineRecoverySlow",),
        "churn_alerts restarted while the broker hands it 1 kB/s of its state (a quota)",
        partial(faults.slow_recovery, place, "churn_alerts"),
    )
    drills.begin(loading)
    drills.over(loading)

    broker = Drill(
        ("PulselineKafkaUnreachable", "PulselineTickerSilent", "PulselineProcessorStopped"),
        "the broker stopped by SIGSTOP",
        partial(faults.broker_hangs, place),
    )
    drills.begin(broker)
    drills.over(broker)

    drills.mended(calm, untouched, letters, drift)
    failing = Drill(
        ("PulselineEndpointFailing",),
        "a webhook endpoint that answers 500",
        partial(faults.failing_endpoint, place, receivers[0], 500, (range(20, 24), range(24, 26))),
    )
    gone = Drill(
        ("PulselineEndpointDisabled",),
        "a webhook endpoint that answers 410 Gone",
        partial(faults.failing_endpoint, place, receivers[1], 410, (range(30, 32), range(32, 33))),
    )
    stuck = Drill(
        ("PulselineNotificationsLate",),
        "the rows of the notification queue locked by a transaction left open",
        partial(faults.stuck_queue, place),
    )
    drills.begin(failing, gone, stuck)
    drills.mended(failing, gone, stuck)
    drills.begin(crowded)
    drills.over(crowded)
    blocked = Drill(
        ("PulselinePoolExhausted",),
        "a table locked by a transaction left open, and ten readers",
        partial(faults.blocked_requests, place, 2 * POOL),
    )
    drills.begin(blocked)
    drills.over(blocked)
    database = Drill(
        (
            "PulselineDatabaseUnreachable",
            "PulselineProjectionBehind",
            "PulselineSloBurnFast",
            "PulselineSloBurnSlow",
        ),
        "PostgreSQL stopped",
        partial(faults.database_down, place),
    )
    drills.begin(database)
    drills.over()


def watch_the_watchdog(drills: Drills, place: Place) -> None:
    """The one alert that must always fire: Prometheus is stopped, and Alertmanager no longer hears it."""
    outcome = Outcome("PulselineWatchdog", "Prometheus stopped by SIGSTOP: Alertmanager no longer hears this alert")
    drills.outcomes[outcome.rule] = outcome

    def heard() -> bool:
        return outcome.rule in place.alertmanager.active()

    eventually(heard, PATIENCE_S)
    stopped_at = time.monotonic()
    place.watched.prometheus.send(signal.SIGSTOP)
    try:
        eventually(lambda: not heard(), PATIENCE_S)
        outcome.fired_s = time.monotonic() - stopped_at
    finally:
        place.watched.prometheus.send(signal.SIGCONT)
    continued_at = time.monotonic()
    eventually(heard, PATIENCE_S)
    outcome.cleared_s = time.monotonic() - continued_at


def test_every_rule_fires_on_its_fault_and_clears(tmp_path: Path) -> None:
    with running_place(tmp_path) as place:
        found = outcomes(place)

    expected = {alert.name for alert in ALERTS}
    if place.disk is None:
        # Said in the table by its absence; promtool has tried the rule on made-up series.
        print("this account may mount no small disk to fill")
        expected.remove("PulselineDiskFilling")
    assert found.keys() == expected
    assert not [one for one in found.values() if one.fired_s is None], "never fired"
    assert not [one for one in found.values() if one.cleared_s is None], "never cleared"
