"""The simulator makes its own connections: known to ingest when it returns, and no delivery counted as refused."""

from pathlib import Path

import pytest

from services.cli.endpoint import Endpoint
from services.cli.simulate_connect import connected, disconnect
from tests.integration.connection.conftest import Pair

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_waiting_for_the_connections_leaves_no_rejection(pair: Pair, tmp_path: Path) -> None:
    api = Endpoint(pair.api.url, pair.admin)

    accounts = connected(api, pair.ingest.url, tmp_path)

    assert len(accounts) > 10
    for one in accounts.values():
        labels = {"connection": one.connection_id, "outcome": "signature"}
        assert pair.metric("pulseline_ingest_connection_events_total", labels) is None
    assert disconnect(api, tmp_path) == len(accounts)
