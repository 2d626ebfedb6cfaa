"""What `status` and `healthy` believe: a port that is open is no server yet."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.cli.probe import probe
from services.cli.state_folder import ProcessRecord


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Yield the address of a server that says `answer` to the first who speaks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("answer", [b"S", b"N"])
def test_a_postgresql_with_and_without_tls_is_ready(answer: bytes) -> None:
    with answering(answer) as address:
        report = probe(_postgres(address))

    assert report.health == "ready"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_another_program_on_the_port_is_no_postgresql(answer: bytes) -> None:
    with answering(answer) as address:
        report = probe(_postgres(address))

    assert (report.health, report.detail) == ("down", "what answers is not PostgreSQL")


def _postgres(address: str) -> ProcessRecord:
    return ProcessRecord(name="postgres", kind="postgres", address=address, pid=None, is_external=True)
