"""The simulator's connections at a running system: made and removed over the API, or written for ingest's file."""

import time
from pathlib import Path
from typing import Final

import httpx2
import msgspec
import yaml

from services.cli.endpoint import Endpoint
from services.simulator.connections import (
    Accounts,
    connection_id,
    draw_accounts,
    forget_accounts,
    read_accounts,
    write_accounts,
    write_secret,
)
from services.simulator.provider.catalogue import PROVIDERS
from shared.connection.seal import TEST_HEADER

_PATIENCE_S: Final = 60.0


class ConnectError(RuntimeError):
    """The connections could not be made; the message says why and what to do."""


def connected(api: Endpoint, ingest_url: str, folder: Path) -> Accounts:
    """Return the accounts in the folder; where the system lacks their connections, they are made first.

    Returns when ingest knows them. Raises ConnectError.
    """
    accounts = read_accounts(folder)
    with _client(api) as http:
        answer = _checked(http.get("/v1/connections"))
        there = {one["id"] for one in answer.json()["items"]}
        wanted = {connection_id(name) for name in PROVIDERS}
        if not accounts or not wanted <= there:
            accounts, connections = draw_accounts()
            for connection in connections:
                if connection.id in there:
                    _checked(http.delete(f"/v1/connections/{connection.id}"))
                _checked(http.post("/v1/connections", json=msgspec.to_builtins(connection)))
            write_accounts(folder, accounts)
    _wait_known(ingest_url, accounts)
    return accounts


def disconnect(api: Endpoint, folder: Path) -> int:
    """Remove the simulator's connections and forget their secrets; returns how many there were."""
    n_removed = 0
    with _client(api) as http:
        for one in _checked(http.get("/v1/connections")).json()["items"]:
            if one["id"] in {connection_id(name) for name in PROVIDERS} and one["origin"] == "api":
                _checked(http.delete(f"/v1/connections/{one['id']}"))
                n_removed += 1
    forget_accounts(folder)
    return n_removed


def write_file(path: Path, folder: Path) -> None:
    """Write new accounts: the connections as a YAML file for ingest, the sender's side into the folder."""
    accounts, connections = draw_accounts()
    rows = msgspec.to_builtins(connections)
    write_secret(path, yaml.safe_dump(rows, sort_keys=False, allow_unicode=True).encode())
    write_accounts(folder, accounts)


def _client(api: Endpoint) -> httpx2.Client:
    return httpx2.Client(
        base_url=api.url,
        headers={"Authorization": f"Bearer {api.api_key}", "Content-Type": "application/json"},
        timeout=30.0,
        trust_env=False,
    )


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.is_success:
        return response
    raise ConnectError(
        f"{response.request.method} {response.request.url.path} was answered {response.status_code}: "
        f"{response.text[:300]}; `--providers none` sends own events alone"
    )


def _wait_known(ingest_url: str, accounts: Accounts) -> None:
    """Wait until ingest has read the connections: a forged test is then refused, and no longer unknown.

    A test, because ingest counts none: a refused delivery would stand on the channels page as a rejection.
    """
    deadline = time.monotonic() + _PATIENCE_S
    forged = {TEST_HEADER: "is the connection known?"}
    with httpx2.Client(base_url=ingest_url, headers=forged, timeout=30.0, trust_env=False) as http:
        for account in accounts.values():
            while http.post(f"/v1/channels/{account.connection_id}", content=b"").status_code in (404, 503):
                if time.monotonic() > deadline:
                    raise ConnectError(f"ingest does not know the connection {account.connection_id}")
                time.sleep(0.3)
