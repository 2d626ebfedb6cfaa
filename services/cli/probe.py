"""Asks a process whether it is well."""

import http.client
import socket
import struct
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from services.cli.state_folder import ProcessRecord
from shared.embedded.kafka import known_brokers

Health = Literal["ready", "unready", "down"]
_TIMEOUT_S = 3.0
# Source: PostgreSQL manual, "Message Formats", SSLRequest; answered before any login, by S (yes) or N (no).
_SSL_REQUEST = struct.pack(">ii", 8, 80877103)


@dataclass(frozen=True, slots=True)
class Report:
    health: Health
    detail: str = ""


def probe(process: ProcessRecord) -> Report:
    """Return the health of one process; `detail` says what it is waiting for."""
    if process.pid is None and not process.is_external:
        return Report("down", "not running")
    if process.kind == "service":
        return _readyz(process.address)
    if process.kind == "supervisor":
        return Report("ready")
    host, _, port = process.address.split(",")[0].rpartition(":")
    if process.kind == "kafka":
        return Report("ready") if known_brokers((host, int(port))) else Report("down", "no answer")
    return _postgres((host, int(port)))


def _postgres(address: tuple[str, int]) -> Report:
    """Return what a server answers; a frozen one, or another program on the port, takes connections too."""
    try:
        with socket.create_connection(address, _TIMEOUT_S) as connection:
            connection.sendall(_SSL_REQUEST)
            answer = connection.recv(1)
    except OSError as error:
        return Report("down", error.strerror or str(error))
    return Report("ready") if answer in (b"S", b"N") else Report("down", "what answers is not PostgreSQL")


def _readyz(address: str) -> Report:
    location = urlsplit(address)
    connection = http.client.HTTPConnection(location.hostname or "", location.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body: Any = msgspec.json.decode(answer.read())
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        return Report("down", getattr(error, "strerror", None) or str(error) or type(error).__name__)
    finally:
        connection.close()
    missing = body.get("missing", {}) if isinstance(body, dict) else {}
    detail = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
    return Report("ready" if answer.status == 200 else "unready", detail)
