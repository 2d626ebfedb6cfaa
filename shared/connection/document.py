"""Connections: which provider account may deliver where, read from a YAML file.

A credential given as `{file: PATH}` is read from that file, relative to the YAML file's folder.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

ConnectionId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]
Secret = str | list[str]


class ConnectionsError(ValueError):
    """The connections file cannot be used; the message says where and why."""


class Connection(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider's account; a credential may be a list of secrets, all accepted during a rotation."""

    id: ConnectionId
    provider: str
    credentials: dict[str, Secret] = {}
    settings: dict[str, Any] = {}


def load_connections(path: Path, providers: frozenset[str]) -> dict[str, Connection]:
    """Return the connections of a YAML file by id.

    Raises ConnectionsError for a file that is not YAML, an unknown provider, a repeated id or a missing secret file.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        rows = [_with_secrets(row, path.parent) for row in document or []]
        connections = msgspec.convert(rows, list[Connection])
    except (OSError, yaml.YAMLError, msgspec.ValidationError, TypeError) as error:
        raise ConnectionsError(f"{path.name}: {error}") from error
    by_id: dict[str, Connection] = {}
    for connection in connections:
        if connection.provider not in providers:
            known = ", ".join(sorted(providers))
            raise ConnectionsError(
                f"{path.name}: {connection.id}: unknown provider {connection.provider!r}; known: {known}"
            )
        if connection.id in by_id:
            raise ConnectionsError(f"{path.name}: the id {connection.id} stands twice")
        by_id[connection.id] = connection
    return by_id


def _with_secrets(row: Any, folder: Path) -> Any:
    if not isinstance(row, Mapping) or not isinstance(row.get("credentials"), Mapping):
        return row
    return {**row, "credentials": {name: _secret(value, folder) for name, value in row["credentials"].items()}}


def _secret(value: Any, folder: Path) -> Any:
    if isinstance(value, Mapping) and set(value) == {"file"}:
        return (folder / str(value["file"])).read_text(encoding="utf-8").strip()
    if isinstance(value, list):
        return [_secret(item, folder) for item in value]
    return value
