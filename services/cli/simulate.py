"""`pulseline simulate`: customers with known fates, sent as real provider payloads; and the judge of the alerts."""

import asyncio
from datetime import UTC, timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Final

import httpx2
import typer

from services.cli.endpoint import ApiKey, Endpoint, IngestUrl, api_endpoint, ingest_endpoint
from services.cli.instant import instant_of
from services.cli.simulate_connect import ConnectError, connected, disconnect, write_file
from services.simulator.connections import Accounts
from services.simulator.fault import KINDS, Kind
from services.simulator.provider.catalogue import PROVIDERS
from services.simulator.send import Outcome
from services.simulator.truth import TruthError
from services.simulator.world import WorldOptions
from shared.clock import SystemClock

app = typer.Typer(help="Simulate customers whose fates are known, and judge what the running system made of them.")

ACCOUNTS = Path(".pulseline") / "simulator"

# The product judges a silence 15 minutes after it received the history, at the next whole five minutes.
SILENCES_JUDGED_AFTER: Final = timedelta(minutes=21)

Truth = Annotated[Path, typer.Option("--truth", help="Where the truth is kept: who left, when and why (NDJSON).")]
AccountsFolder = Annotated[
    Path, typer.Option("--accounts", help="Folder of the simulator's provider accounts (`simulate connect`).")
]

ApiUrl = Annotated[str | None, typer.Option(help="Base URL of the API; default: the one running here.")]


@app.callback(invoke_without_command=True)
def simulate(
    context: typer.Context,
    customers: Annotated[int, typer.Option(min=1, max=100_000, help="How many people.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How many days of their lives.")] = 180,
    speed: Annotated[
        float,
        typer.Option(min=0, help="Simulated seconds a second in the last 23 hours; 0: as fast as they are taken."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=99_999, help="The same seed gives the same world.")] = 1,
    providers: Annotated[
        str, typer.Option(help=f"Comma-separated: {', '.join(PROVIDERS)}; all; or none: own events alone.")
    ] = "all",
    truth: Annotated[Path | None, typer.Option(help="Write the truth here (NDJSON).")] = None,
    faults: Annotated[
        str, typer.Option(help=f"Shares of faults, such as duplicates=0.05,malformed=0.01; of {', '.join(KINDS)}.")
    ] = "",
    until: Annotated[
        str, typer.Option(help="When the world ends (RFC 3339 with offset); default: now, to the minute.")
    ] = "",
    prefix: Annotated[str, typer.Option(help="Begins every customer's id; default: sim and the seed.")] = "",
    talkativeness: Annotated[float, typer.Option(min=0.01, max=100, help="Multiplies everyday contacts.")] = 1.0,
    accounts: AccountsFolder = ACCOUNTS,
    api_url: ApiUrl = None,
    public_url: Annotated[str, typer.Option(help="Ingest's public address, if Twilio's signatures need another.")] = "",
    url: IngestUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Send the lives of made-up customers: history first, then the last day as news."""
    if context.invoked_subcommand is not None:
        return
    clock = SystemClock()
    end = instant_of(until, "--until").astimezone(UTC) if until else clock.now().replace(second=0, microsecond=0)
    options = WorldOptions(
        customers=customers, days=days, seed=seed, until=end, prefix=prefix or f"sim{seed}", talkativeness=talkativeness
    )
    ingest, wanted = ingest_endpoint(url, api_key), _providers(providers)
    known = accounts_of(accounts, api_url, ingest) if wanted else {}
    run(options, frozenset(wanted & known.keys()), speed, _rates(faults), truth, ingest, known, public_url)


def accounts_of(folder: Path, api_url: str | None, ingest: Endpoint) -> Accounts:
    """Return the provider accounts in `folder`, connected first if need be; exits with a message if that fails."""
    try:
        return connected(api_endpoint(api_url, ingest.api_key), ingest.url, folder)
    except (ConnectError, httpx2.TransportError) as error:
        typer.echo(f"cannot connect the simulator's providers: {error}", err=True)
        raise typer.Exit(1) from error


def run(
    options: WorldOptions,
    providers: frozenset[str],
    speed: float,
    rates: dict[Kind, float],
    truth: Path | None,
    ingest: Endpoint,
    accounts: Accounts,
    public_url: str = "",
) -> None:
    """Build the world, send it, and say what came back; exits with 1 if an answer was not the right one."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from services.simulator import fault, script, send, world
    from services.simulator import truth as truths
    from shared.clock import from_ms, to_ms

    console = Console(stderr=True)
    made = world.build(options)
    steps = script.script(made, providers)
    plan = fault.plan(steps, rates, Random(f"{options.seed}/faults"), to_ms(options.until))  # noqa: S311
    if truth is not None:
        head = truths.header(made, providers, dict(rates), speed)  # type: ignore[arg-type]
        truths.write(truth, head, (truths.customer_truth(life, made) for life in made.lives))
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("sending", total=1.0)

        def tell(share: float, at_ms: int) -> None:
            progress.update(task, completed=share, description=f"{from_ms(at_ms):%Y-%m-%d %H:%M}")

        sender = send.Sender(ingest.url, ingest.api_key, accounts, SystemClock(), public_url=public_url, tell=tell)
        try:
            outcome = asyncio.run(sender.run(plan, script.tail_start_ms(made), speed))
        except* send.SendError as group:
            console.print(f"[red]Stopped:[/red] {group.exceptions[0]}")
            raise typer.Exit(1) from group
    for line in report(outcome):
        typer.echo(line)
    if truth is not None:
        judged_at = SystemClock().now().astimezone() + SILENCES_JUDGED_AFTER
        typer.echo(f"silences are judged by {judged_at:%H:%M}; then: pulseline simulate score --truth {truth}")
    if outcome.n_unexpected:
        raise typer.Exit(1)


def report(outcome: Outcome) -> list[str]:
    """Return what was sent and answered, line by line."""
    total = sum(outcome.sent.values())
    lines = [f"{total} things told in {outcome.n_requests} requests and {outcome.seconds:.1f} s"]
    lines += [f"  {name:<12}{n:>8}" for name, n in sorted(outcome.sent.items(), key=lambda pair: -pair[1])]
    lines.append("fault          expected  answered         n")
    for (fault, expected, status), n in sorted(outcome.answers.items()):
        mark = "" if expected == status else "   unexpected"
        lines.append(f"  {fault:<14}{expected:>7}{status:>10}{n:>10}{mark}")
    return lines + [f"  {surprise}" for surprise in outcome.surprises]


@app.command()
def score(
    truth: Truth,
    api_url: ApiUrl = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here as well.")] = None,
    oracle: Annotated[bool, typer.Option(help="Also tell what the best possible detector would reach.")] = True,
    api_key: ApiKey = None,
) -> None:
    """Compare the running system's alerts with the truth: precision, recall, lead, causes, each with its interval."""
    from services.cli.simulate_score import score as print_score

    endpoint = api_endpoint(api_url, api_key)
    try:
        print_score(endpoint.url, endpoint.api_key, truth, json_file, with_oracle=oracle)
    except TruthError as error:
        raise typer.BadParameter(str(error), param_hint="--truth") from error


@app.command()
def rehearse(
    truth: Truth,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here as well.")] = None,
    capacity: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Alerts a day the team can work; default: what is worth it, at most the plain rule's load."
        ),
    ] = None,
    refit: Annotated[bool, typer.Option(help="Refit the model every 28 days; else the one that ships judges.")] = True,
    oracle: Annotated[bool, typer.Option(help="Also tell what the best possible detector would reach.")] = True,
) -> None:
    """Score the live processors, run offline over the same world as if they had been there all along."""
    from services.cli.simulate_score import rehearse as print_rehearsal

    try:
        print_rehearsal(truth, json_file, is_refitted=refit, capacity_per_day=capacity, with_oracle=oracle)
    except TruthError as error:
        raise typer.BadParameter(str(error), param_hint="--truth") from error


@app.command()
def connect(
    accounts: AccountsFolder = ACCOUNTS,
    connections_file: Annotated[
        Path | None, typer.Option(help="Write a connections file for ingest here, instead of using the API.")
    ] = None,
    url: IngestUrl = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make the simulator's provider accounts and their connections; `simulate` does it by itself over the API."""
    if connections_file is not None:
        write_file(connections_file, accounts)
        typer.echo(f"start ingest with PULSELINE_CONNECTIONS_FILE={connections_file.absolute()}")
        return
    typer.echo(f"{len(accounts_of(accounts, api_url, ingest_endpoint(url, api_key)))} providers are connected")


@app.command("disconnect")
def disconnect_providers(accounts: AccountsFolder = ACCOUNTS, api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Remove the simulator's connections."""
    typer.echo(f"{disconnect(api_endpoint(api_url, api_key), accounts)} connections removed")


def _providers(text: str) -> set[str]:
    if text in ("all", "none"):
        return set(PROVIDERS) if text == "all" else set()
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := wanted - PROVIDERS.keys():
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PROVIDERS)}")
    return wanted


def _rates(text: str) -> dict[Kind, float]:
    rates: dict[Kind, float] = {}
    for part in filter(None, text.split(",")):
        name, _, share = part.partition("=")
        kind = next((kind for kind in KINDS if kind == name.strip()), None)
        try:
            rate = float(share)
        except ValueError:
            rate = -1.0
        if kind is None or not 0 <= rate <= 1:
            raise typer.BadParameter(f"{part!r} is not one of {', '.join(KINDS)} with a share from 0 to 1")
        rates[kind] = rate
    return rates
