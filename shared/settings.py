"""Settings every service shares, read from PULSELINE_* variables and refused when misspelt."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PULSELINE_"
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]
_SERVICES = ("ingest", "sentiment", "churn_alerts", "api")


Settings = TypeVar("Settings", bound=BaseSettings)


class SettingsError(ValueError):
    """The environment is not what a process may start with; the message names each variable and what is wrong."""


class UnknownSettingError(SettingsError):
    """An environment variable starts with PULSELINE_ but no service knows it."""


class ServiceSettings(BaseSettings):
    """What all four services need. A service's own settings extend this in services/<service>/settings.py."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    # Whose settings these are: the variables PULSELINE_<SERVICE>_ are its own, and misspelt ones its business.
    service: ClassVar[str] = ""

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, comma-separated host:port.")
    topic_prefix: str = Field("", description="Put before every topic and consumer group name.")
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(
        4, description="Partitions of every customer-keyed topic, checked at start; fixed once topics exist."
    )
    replication: Annotated[int, Field(ge=1, le=7)] = Field(1, description="Replication factor of topics we create.")
    database_url: SecretStr = Field(
        SecretStr("postgresql://pulseline@127.0.0.1:5432/pulseline"),
        description="PostgreSQL address, postgresql://user:password@host:port/database.",
    )
    database_password_file: Path | None = Field(
        None, description="File holding the database password, used in place of the one in database_url."
    )
    state_dir: Path = Field(Path(".pulseline"), description="Folder for what a service may keep between runs.")
    traces_endpoint: str = Field(
        "", description="OTLP/HTTP address to send traces to, http://host:4318/v1/traces; empty: none (extra `traces`)."
    )
    traces_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="Share of traces begun here that are kept; a caller's own decision is followed."
    )
    log_level: LogLevel = Field("info", description="Least severity logged.")
    log_format: LogFormat = Field("json", description="JSON lines, or text for a terminal.")


# Names read outside ServiceSettings subclasses, by tests and tools.
TOOL_SETTINGS = frozenset(
    {"SHARED_DATA", "CACHE_DIR", "CONNECTIONS_FILE", "SECRETS_KEY_FILE", "JAVA", "URL", "API_KEY"}
)


def read_settings(kind: type[Settings]) -> Settings:
    """Return a process's settings from its environment. Raises SettingsError."""
    refuse_unknown([kind])
    try:
        return kind()
    except ValidationError as error:
        wrong = (f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        raise SettingsError("; ".join(wrong)) from error


def start_settings(kind: type[Settings]) -> Settings:
    """Return a service's settings; ends the process with a sentence in its log when they are wrong."""
    try:
        return read_settings(kind)
    except SettingsError as error:
        sys.exit(f"cannot start: {error}")


def refuse_unknown(known: Iterable[type[BaseSettings]]) -> None:
    """Fail on a PULSELINE_* variable that no settings class in `known` has: a typo would be ignored otherwise.

    Raises UnknownSettingError naming every unknown variable.
    """
    names = {f"{PREFIX}{name}".upper() for name in TOOL_SETTINGS}
    others = set(_SERVICES)
    for settings in known:
        others.discard(getattr(settings, "service", ""))
        prefix = str(settings.model_config.get("env_prefix", ""))
        names |= {f"{prefix}{field}".upper() for field in settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in names)
    # A process sees the other services' variables too; only its own misspelt ones are its business.
    foreign = tuple(f"{PREFIX}{service}_".upper() for service in others)
    own = [name for name in unknown if not name.upper().startswith(foreign)]
    if own:
        raise UnknownSettingError(f"unknown settings: {', '.join(own)}")
