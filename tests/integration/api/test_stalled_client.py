"""A stream client that takes nothing: it is let go, and what it costs meanwhile does not grow with what it misses."""

import socket

import httpx2
import pytest

from tests.factories.records import raised, updated
from tests.integration.api.conftest import Api
from tests.loopback import LOOPBACK
from tests.service_process import ServiceProcess
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow]
N_ALERTS = 4_000
N_CLIENTS = 50
MEMORY = "process_resident_memory_bytes"
# 8,000 events of 2 KB kept for each of 50 clients would be 800 MB. The ring that all share and a piece for each are
# 20 + 25 MB, projecting them takes the rest.
MOST_GROWTH_BYTES = 150 << 20


def figure(process: ServiceProcess, name: str) -> float:
    page = httpx2.get(f"{process.url}/metrics", timeout=20, **LOOPBACK).text
    [line] = [line for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def test_a_client_that_does_not_read_is_let_go_and_costs_little(api: Api) -> None:
    with api.make_process("patient", PULSELINE_API_STREAM_STALL_S="1").start() as process:
        port = int(process.url.rpartition(":")[2])
        before = figure(process, MEMORY)
        stalled = []
        for _ in range(N_CLIENTS):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(("127.0.0.1", port))
            client.sendall(
                f"GET /v1/alerts/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n\r\n".encode()
            )
            stalled.append(client)
        api.publish("churn.alerts", *(raised(f"a{n}", f"c{n}") for n in range(N_ALERTS)))
        api.publish("churn.alerts", *(updated(f"a{n}", f"c{n}") for n in range(N_ALERTS)))
        eventually(lambda: figure(process, "pulseline_api_stream_dropped_total") == len(stalled), timeout_s=60)
        growth = figure(process, MEMORY) - before
        for client in stalled:
            client.close()

    assert growth < MOST_GROWTH_BYTES
