"""Asks a process whether it is well."""

import http.client
import socket
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from services.cli.state_folder import ProcessRecord
from shared.embedded.kafka import known_brokers

Health = Literal["ready", "unready", "down"]
_TIMEOUT_S = 3.0


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
    try:
        socket.create_connection((host, int(port)), _TIMEOUT_S).close()
    except OSError as error:
        return Report("down", str(error))
    return Report("ready")


def _readyz(address: str) -> Report:
    location = urlsplit(address)
    connection = http.client.HTTPConnection(location.hostname or "", location.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body: Any = msgspec.json.decode(answer.read())
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        return Report("down", str(error) or type(error).__name__)
    finally:
        connection.close()
    missing = body.get("missing", {}) if isinstance(body, dict) else {}
    detail = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
    return Report("ready" if answer.status == 200 else "unready", detail)
