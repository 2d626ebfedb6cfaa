"""`pulseline rules show | publish`: the document that says when alerts are raised."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from services.cli.instant import instant_of
from services.cli.state_folder import StateFolder

if TYPE_CHECKING:
    from shared.settings import ServiceSettings

app = typer.Typer(no_args_is_help=True, help="Show and change when alerts are raised (docs/events-to-alerts.md).")


@app.command()
def show() -> None:
    """Print the rules that hold until some are published, to begin a document of one's own from."""
    from services.churn_alerts.alert.rules import DEFAULT, to_document

    typer.echo(msgspec.json.format(msgspec.json.encode(to_document(DEFAULT)), indent=2).decode())


@app.command()
def publish(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="JSON; members left out are those `show` prints.")
    ],
    since: Annotated[
        str, typer.Option("--from", help="Event time from which they hold (RFC 3339 with offset); default: now.")
    ] = "",
) -> None:
    """Put rules in force in the Kafka that runs here or that PULSELINE_* settings name; open alerts keep theirs."""
    from services.churn_alerts.alert.rules import read_rules
    from shared.clock import SystemClock
    from shared.contracts.control import RulesPublished
    from shared.errors import Reject
    from shared.settings import ServiceSettings, read_settings
    from shared.topics import ENRICHED

    bootstrap, prefix = _kafka(read_settings(ServiceSettings))
    now = SystemClock().now()
    try:
        document = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        read_rules(document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} is no JSON object: {error}") from error
    except Reject as error:
        raise typer.BadParameter(f"{file}: {error.reason}") from error
    # The highest version in force counts. Seconds outrun the versions that the capacity controller counts up from here.
    in_force_at = instant_of(since, "--from") if since else now
    record = RulesPublished(version=int(now.timestamp()), in_force_at=in_force_at, rules=document)
    asyncio.run(_publish(bootstrap, ENRICHED.full_name(prefix), record))
    typer.echo(f"rules {record.version} hold from {record.in_force_at.isoformat(timespec='seconds')}")


def _kafka(settings: "ServiceSettings") -> tuple[str, str]:
    """Return bootstrap servers and topic prefix: those of settings where they name a Kafka, else of what runs here."""
    running = StateFolder().running()
    if running is not None and "kafka_bootstrap" not in settings.model_fields_set:
        for process in running.processes:
            if process.kind == "kafka":
                return process.address, running.topic_prefix
    return settings.kafka_bootstrap, settings.topic_prefix


async def _publish(bootstrap: str, topic: str, record: Any) -> None:
    from shared.kafka.publisher import Publisher
    from shared.kafka.ticker import publish_control

    publisher = Publisher(bootstrap)
    try:
        await publish_control(publisher, topic, record)
    finally:
        await publisher.stop()
