"""The simulator's provider accounts: what each connection must know at the receiver, and what the sender keeps."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from services.simulator.provider.catalogue import PROVIDERS

_SENDER_FILE: Final = "sender.json"


class Account(msgspec.Struct, frozen=True):
    """A provider's connection as its sender knows it."""

    connection_id: str
    secrets: dict[str, str]


class Connection(msgspec.Struct, frozen=True):
    """A provider's connection as its receiver must know it: the body of POST /v1/connections, a row of the file."""

    id: str
    provider: str
    credentials: dict[str, str]
    settings: dict[str, Any]


Accounts = dict[str, Account]


def connection_id(provider: str) -> str:
    return f"sim-{provider}"


def draw_accounts(random_bytes: Callable[[int], bytes] = os.urandom) -> tuple[Accounts, list[Connection]]:
    """Return new accounts with every provider: the sender's side, and the receiver's."""
    accounts: Accounts = {}
    connections = []
    for name, provider in PROVIDERS.items():
        ours, theirs = provider.make_secrets(random_bytes)
        accounts[name] = Account(connection_id(name), ours)
        connections.append(Connection(connection_id(name), name, theirs, provider.settings))
    return accounts, connections


def read_accounts(folder: Path) -> Accounts:
    """Return the accounts by provider; none at all if the folder holds none."""
    try:
        return msgspec.json.decode((folder / _SENDER_FILE).read_bytes(), type=Accounts)
    except FileNotFoundError:
        return {}


def write_accounts(folder: Path, accounts: Accounts) -> None:
    """Keep the sender's secrets, readable by their owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(folder / _SENDER_FILE, msgspec.json.format(msgspec.json.encode(accounts)))


def forget_accounts(folder: Path) -> None:
    (folder / _SENDER_FILE).unlink(missing_ok=True)


def write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
