"""The `pulseline` command: every sub-command by name, imported only when it is the one that was asked for."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer

from shared.errors import PulselineError
from shared.settings import SettingsError


class _Command(NamedTuple):
    module: str
    attribute: str
    help: str


COMMANDS = {
    "up": _Command("services.cli.up", "up", "Start everything on this machine."),
    "down": _Command("services.cli.down", "down", "Stop what `up` started."),
    "status": _Command("services.cli.status", "status", "Show every process, its address and health."),
    "prepare": _Command(
        "services.cli.prepare", "prepare", "Migrate your own database, create topics in your own Kafka."
    ),
    "healthy": _Command("services.cli.healthy", "healthy", "Ask one service whether it is ready."),
    "rules": _Command("services.cli.rules", "app", "Show and publish the rules that raise alerts."),
    "simulate": _Command("services.cli.simulate", "app", "Simulate customers with known fates; judge the alerts."),
    "demo": _Command("services.cli.demo", "app", "Send or remove demo data."),
    "import": _Command("services.cli.import_", "app", "Import past orders or interactions."),
    "classify": _Command("services.cli.classify", "classify", "Judge the sentiment of texts."),
    "sentiment": _Command("services.cli.sentiment", "app", "Train and evaluate the sentiment model."),
    "backtest": _Command("services.cli.backtest", "backtest", "Tell who would have been warned about, on past orders."),
    "replay": _Command("services.cli.replay", "replay", "Replay recorded events and show the alerts they raise."),
}


def build(chosen: str | None) -> typer.Typer:
    """Return the command line with `chosen` loaded; the others are there by name and help text alone."""
    app = typer.Typer(
        name="pulseline",
        help="Warns you, in real time, that a customer is about to leave.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name, command in COMMANDS.items():
        if name != chosen:
            app.command(name, help=command.help)(_only_listed)
            continue
        loaded: typer.Typer | Callable[..., Any] = getattr(import_module(command.module), command.attribute)
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=name)
        else:
            app.command(name)(loaded)
    return app


def _only_listed() -> None:
    """Stands for a command that is not the one called."""


def main() -> None:
    """Run the command named on the command line; what a person can put right is told in a sentence, not a traceback."""
    try:
        build(next((word for word in sys.argv[1:] if not word.startswith("-")), None))()
    except (PulselineError, SettingsError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}" if error.filename else str(error))


if __name__ == "__main__":
    main()
