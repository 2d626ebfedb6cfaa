"""Every query of every panel, answered by a real Prometheus (of promtool's package) beside real services under load."""

import time
from pathlib import Path

import pytest

from deploy.grafana.dashboards import DASHBOARDS
from deploy.prometheus.timing import DRILL
from tests.conftest import RunningKafka
from tests.contract.deploy.test_dashboards import runnable
from tests.e2e.system import eventually
from tests.watching.watched import Receiver, Traffic, Watched, first_open_alert

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(400)]

QUERIES = [
    (f"{dashboard.name}: {panel.title.en} [{number}]", runnable(query.expression))
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for number, query in enumerate(panel.queries)
]
MOST_SERIES_OF_A_SERVICE = 1_500
PATIENCE_S = 150.0


def test_every_panel_returns_data(kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path) -> None:
    with (
        Watched(kafka.bootstrap, topic_prefix, database_url, tmp_path, DRILL) as watched,
        Receiver().serving() as receiver,
    ):
        watched.post(
            "/v1/webhooks", {"name": "team", "kind": "webhook", "url": receiver.url, "includes_held_out": True}
        ).raise_for_status()
        with Traffic(watched):
            watched.garbage(3)
            alert_id = eventually(lambda: first_open_alert(watched), 240.0)
            resolved = watched.post(f"/v1/alerts/{alert_id}/resolve", {"resolution": "handled"})
            assert resolved.status_code == 200, resolved.text
            watched.tell_risks()

            empty = dict(QUERIES)
            deadline = time.monotonic() + PATIENCE_S
            while empty and time.monotonic() < deadline:
                drop_answered(watched, empty)
                time.sleep(1)
            assert empty == {}
            series = watched.prometheus.query('count by (service) ({job="pulseline"})')
    assert {one["metric"]["service"] for one in series} == {"ingest", "sentiment", "churn_alerts", "api"}
    assert all(int(one["value"][1]) < MOST_SERIES_OF_A_SERVICE for one in series)


def drop_answered(watched: Watched, empty: dict[str, str]) -> None:
    """Drop the queries that return data by now."""
    for name, expression in list(empty.items()):
        if watched.prometheus.query(expression):
            del empty[name]
