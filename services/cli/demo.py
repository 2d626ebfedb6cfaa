"""`pulseline demo send|remove`: the simulator's people as a demonstration, marked as such; one command removes them."""

from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from services.cli.counted import counted
from services.cli.endpoint import ApiKey, IngestUrl, api_endpoint, ingest_endpoint
from services.cli.simulate import ACCOUNTS, ApiUrl, accounts_of, run
from services.simulator.life.person import draw_person, handles_of
from services.simulator.world import WorldOptions
from shared.clock import SystemClock

app = typer.Typer(help="Demo data: made-up customers, marked as such.", no_args_is_help=True)

SOURCE = "demo"
_PREFIX = "demo"
# Shares no handle with worlds of small seeds.
_SEED = 99_983
_DAYS = 200
_LIVE_S = 75.0

Customers = Annotated[int, typer.Option("--customers", min=12, max=1000, help="How many made-up customers.")]
Accounts = Annotated[Path, typer.Option("--accounts", help="Folder of the simulator's provider accounts.")]


@app.command()
def send(
    n_customers: Customers = 60,
    live_s: Annotated[float, typer.Option(min=1, max=3600, help="How long the last day takes.")] = _LIVE_S,
    accounts: Accounts = ACCOUNTS,
    url: IngestUrl = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Send half a year of customers' lives at once, then their last day within a minute or so, as news."""
    ingest = ingest_endpoint(url, api_key)
    options = WorldOptions(
        customers=n_customers,
        days=_DAYS,
        seed=_SEED,
        until=SystemClock().now().replace(second=0, microsecond=0),
        prefix=_PREFIX,
        is_show=True,
    )
    known = accounts_of(accounts, api_url, ingest)
    run(options, frozenset(known), 23 * 3600 / live_s, {}, None, ingest, known)
    typer.echo("demo: `pulseline demo remove` erases all demo customers")


@app.command()
def remove(
    n_customers: Customers = 60,
    accounts: Accounts = ACCOUNTS,
    url: IngestUrl = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Erase every demo customer: rows, state and alerts; and remove the simulator's connections."""
    from pulseline.client import Client
    from services.cli.simulate_connect import disconnect

    ingest = ingest_endpoint(url, api_key)
    with Client(ingest.url, ingest.api_key) as client:
        receipt = client.send(erasures(n_customers, SystemClock().now().isoformat()))
    n_removed = disconnect(api_endpoint(api_url, ingest.api_key), accounts)
    typer.echo(f"demo: {counted(receipt.accepted, 'erasure')} requested, {counted(n_removed, 'connection')} removed")


def erasures(n_customers: int, now: str) -> list[dict[str, Any]]:
    """Return the erasure of each demo customer, and of whoever the system took one of the handles for."""
    events = []
    for index in range(n_customers):
        person = draw_person(index, _PREFIX, _SEED, 0, 1, Random(f"{_SEED}/{index}/who"))  # noqa: S311
        names = [{"id": person.id}, *({"handles": [handle]} for handle in handles_of(person))]
        events += [
            {"type": "customer.erased", "id": f"erase-{person.id}-{number}-{now}", "source": SOURCE, "occurred_at": now,
             "customer": name}
            for number, name in enumerate(names)
        ]  # fmt: skip
    return events
