"""An instant on the command line."""

from datetime import datetime

import typer

_FOR_EXAMPLE = "such as 2026-03-01T00:00:00Z"


def instant_of(text: str, option: str) -> datetime:
    """Return the instant, with its offset. Raises typer.BadParameter naming the option."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no instant {_FOR_EXAMPLE}", param_hint=option) from error
    if instant.tzinfo is None:
        raise typer.BadParameter(f"needs an offset, {_FOR_EXAMPLE}", param_hint=option)
    return instant
