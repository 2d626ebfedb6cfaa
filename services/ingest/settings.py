"""Every setting of the ingest service."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.proxies import checked
from shared.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    service = "ingest"

    ingest_host: str = Field("127.0.0.1", description="Address to listen on; loopback unless you say otherwise.")
    ingest_port: Annotated[int, Field(ge=1, le=65535)] = Field(8001, description="Port to listen on.")
    ingest_ack_timeout_s: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Longest wait for the broker's acknowledgement before the client gets 503."
    )
    ingest_key_refresh_s: Annotated[float, Field(gt=0)] = Field(
        10.0, description="How often API keys are read from PostgreSQL; a revoked key works at most this much longer."
    )
    ingest_events_per_s: Annotated[float, Field(gt=0)] = Field(
        50_000.0, description="Events a second one API key may send to one ingest process; more is answered 429."
    )
    ingest_events_burst: Annotated[int, Field(ge=1)] = Field(
        100_000, description="Events a key may send at once before the rate applies."
    )
    ingest_open_bodies_mb: Annotated[int, Field(ge=16)] = Field(
        128,
        description="Most MB of request bodies held at once, from their first byte to their answer; what would go "
        "over it is answered 503 with Retry-After.",
    )
    ingest_public_url: str = Field(
        "",
        description="Public base URL of this service as providers call it (https://…), for signatures over the URL; "
        "empty: taken from the request.",
    )
    ingest_trusted_proxies: Annotated[str, AfterValidator(checked)] = Field(
        "",
        description="Comma-separated addresses or networks of reverse proxies whose X-Forwarded-Proto and "
        "X-Forwarded-Host are believed, for signatures over the URL; empty: nobody's.",
    )
    secrets_key_file: Path | None = Field(
        None,
        description="File with the key that opens the credentials of connections made through the API; the API's. "
        "Without it these connections are answered 503.",
    )
    ingest_connection_refresh_s: Annotated[float, Field(gt=0)] = Field(
        2.0, description="How often connections are read from PostgreSQL, and their figures written there."
    )
    connections_file: Path | None = Field(
        None, description="YAML list of channel connections: {id, provider, credentials, settings}."
    )
