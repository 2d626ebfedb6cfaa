"""Every setting of the API service."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

from shared.proxies import checked
from shared.settings import ServiceSettings


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("no such time zone") from error


class ApiSettings(ServiceSettings):
    service = "api"

    api_host: str = Field("127.0.0.1", description="Address to listen on; loopback unless you say otherwise.")
    api_port: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="Port to listen on.")
    api_console_dir: Path = Field(
        Path(__file__).parent / "console", description="Folder with the console's static files, served at /."
    )
    sentiment_model: Path | None = Field(
        None, description="The sentiment service's model, so that reasons are given by the model that judged."
    )
    api_pool_size: Annotated[int, Field(ge=2, le=200)] = Field(10, description="Most connections for requests.")
    api_text_search: bool = Field(
        True, description="Index the text of interactions; off, an import runs more than twice as fast."
    )
    api_max_batch_records: Annotated[int, Field(ge=1, le=50_000)] = Field(
        8_000, description="Most records projected in one transaction."
    )
    api_retention_months: Annotated[int, Field(ge=0)] = Field(
        0, description="Whole months of interactions kept; older ones are dropped, orders and alerts stay. 0: all."
    )
    api_rate_per_s: Annotated[float, Field(gt=0)] = Field(100.0, description="Requests a second one key may make.")
    api_rate_burst: Annotated[int, Field(ge=1)] = Field(400, description="Requests a key may make at once.")
    api_session_hours: Annotated[float, Field(gt=0, le=720)] = Field(
        12.0, description="How long a console login lasts."
    )
    api_cookie_secure: bool = Field(
        False, description="Mark the session cookie Secure; switch on wherever the console is served over https."
    )
    api_alert_expiry_days: Annotated[float, Field(gt=0)] = Field(
        30.0, description="An alert nobody touches and nothing new happens to expires after this many days."
    )
    api_holdout_ratio: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.2,
        description="Share of alerts left without action, to measure what acting is worth; only supervisors see them. "
        "0: none, and no claim about customers saved.",
    )
    api_time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="IANA name, such as Asia/Shanghai: where the days, weeks and months of key figures begin."
    )
    api_working_days_file: Path | None = Field(
        None,
        description="YAML of days that differ from the known public holidays, by country: "
        "`CN: {working_days: [2027-02-14], days_off: [2027-02-05]}`.",
    )
    api_census_every_s: Annotated[float, Field(gt=0)] = Field(
        30.0, description="How often the database is counted for metrics; less often where that takes long."
    )
    api_heartbeat_s: Annotated[float, Field(gt=0)] = Field(
        15.0, description="Longest silence on an alert stream before a comment line keeps it open."
    )
    api_stream_stall_s: Annotated[float, Field(gt=0)] = Field(
        30.0, description="A stream client that takes nothing for this long is disconnected; it may resume."
    )
    api_stream_clients: Annotated[int, Field(ge=1)] = Field(5_000, description="Most alert streams open at once.")
    api_trusted_proxies: Annotated[str, AfterValidator(checked)] = Field(
        "",
        description="Comma-separated addresses or networks of reverse proxies whose X-Forwarded-For is believed, to "
        "lock out who guesses keys at login; empty: nobody's, the caller's own address counts.",
    )
    api_allowed_networks: str = Field(
        "",
        description="Comma-separated networks outside the public internet that notifications may go to, such as "
        "10.1.0.0/16; empty: none.",
    )
    ingest_public_url: str = Field(
        "",
        description="Ingest's public base URL, as ingest itself is told it: the start of each connection's address; "
        "empty: this machine's loopback address.",
    )
    ingest_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        8001, description="Ingest's port, for connections' addresses while no public base URL is set."
    )
    secrets_key_file: Path | None = Field(
        None,
        description="File with the key that secrets of connections and notification endpoints are sealed under, 32 "
        "bytes in base64; one a line, the newest first. Without it the API takes no such secret.",
    )
    connections_file: Path | None = Field(
        None, description="Ingest's connections file, if the API may read it: only to test the connections in it."
    )
    api_smtp_host: str = Field("", description="Mail server for e-mail notifications; empty: none are sent.")
    api_smtp_port: Annotated[int, Field(ge=1, le=65535)] = Field(587, description="Port of the mail server.")
    api_smtp_sender: str = Field("pulseline@localhost", description="Sender of e-mail notifications.")
    api_smtp_user: str | None = Field(None, description="User at the mail server, if it wants one.")
    api_smtp_password: SecretStr | None = Field(None, description="Password at the mail server.")
