"""Which running Pulseline a command talks to: options, else environment, else the one `pulseline up` started here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

IngestUrl = Annotated[str | None, typer.Option("--url", envvar="PULSELINE_URL", help="Base URL of the ingest service.")]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar="PULSELINE_API_KEY", help="API key with role integrator or admin.")
]

ENDPOINT_FILE = Path(".pulseline") / "endpoint.json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    api_key: str


class EndpointFile(msgspec.Struct, frozen=True):
    """What `pulseline up` leaves for other commands in the same folder; readable by its owner alone."""

    ingest_url: str
    console_url: str
    api_key: str


def ingest_endpoint(url: str | None, api_key: str | None) -> Endpoint:
    """Return where to send events; exits with a clear message when neither option nor running system says so."""
    local = _running_here("say where to send: --url") if url is None or api_key is None else None
    return Endpoint(url or local.ingest_url, api_key or local.api_key) if local else Endpoint(url or "", api_key or "")


def api_endpoint(url: str | None, api_key: str | None) -> Endpoint:
    """Return where to ask; exits with a clear message when neither option nor running system says so."""
    local = _running_here("say where to ask: --api-url") if url is None or api_key is None else None
    return Endpoint(url or local.console_url, api_key or local.api_key) if local else Endpoint(url or "", api_key or "")


def _running_here(what_to_say: str) -> EndpointFile:
    try:
        return msgspec.json.decode(ENDPOINT_FILE.read_bytes(), type=EndpointFile)
    except (OSError, msgspec.DecodeError) as error:
        raise typer.BadParameter(
            f"{what_to_say} and --api-key, or PULSELINE_URL and PULSELINE_API_KEY, "
            "or run this in the folder where `pulseline up` runs"
        ) from error
