"""The simulator's provider accounts: a connections file for ingest, and the sender's side of each secret."""

import os
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from services.simulator.provider.catalogue import PROVIDERS

RECEIVER_FILE: Final = "connections.yaml"
SENDER_FILE: Final = "sender.json"


class Account(msgspec.Struct, frozen=True):
    """A provider's connection as its sender knows it."""

    connection_id: str
    secrets: dict[str, str]


Accounts = dict[str, Account]


def connection_id(provider: str) -> str:
    return f"sim-{provider}"


def write_accounts(folder: Path) -> Path:
    """Return the connections file for the ingest service; made with the sender's file if they are not there yet."""
    receiver, sender = folder / RECEIVER_FILE, folder / SENDER_FILE
    if receiver.exists() and sender.exists():
        return receiver
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows: list[dict[str, Any]] = []
    accounts: Accounts = {}
    for name, provider in PROVIDERS.items():
        ours, theirs = provider.make_secrets(os.urandom)
        accounts[name] = Account(connection_id(name), ours)
        rows.append({"id": connection_id(name), "provider": name, "credentials": theirs, "settings": provider.settings})
    _write(sender, msgspec.json.format(msgspec.json.encode(accounts)))
    _write(receiver, yaml.safe_dump(rows, sort_keys=False, allow_unicode=True).encode())
    return receiver


def read_accounts(folder: Path) -> Accounts:
    """Return the accounts by provider; none at all if the folder holds none."""
    try:
        return msgspec.json.decode((folder / SENDER_FILE).read_bytes(), type=Accounts)
    except FileNotFoundError:
        return {}


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
