"""`pulseline backtest`: what a company would have been told, from its own orders; no broker, database or account."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

OrdersFile = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        help="CSV, plain or gzip: customer_id,time and optionally event (purchase, return) and amount.",
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for scores.csv, alerts.csv, report.json, report.html.")]
StartDate = Annotated[
    str | None, typer.Option("--start", help="First scored day, e.g. 2024-07-01; everything before it only teaches.")
]
Horizon = Annotated[
    int | None, typer.Option("--horizon", min=1, max=1000, help="Days without a purchase that count as leaving.")
]
LostAfter = Annotated[
    int | None, typer.Option("--lost-after", min=2, max=1000, help="Days of silence after which no alert is needed.")
]
MinPurchases = Annotated[
    int | None, typer.Option("--min-purchases", min=1, max=1000, help="Purchase days before a customer is scored.")
]
Every = Annotated[int, typer.Option("--every", min=1, max=366, help="Days between checkpoints in scores.csv.")]
Capacity = Annotated[
    str | None,
    typer.Option("--capacity", help="Alerts a day the team can work, e.g. 20/day; default: as many as the fixed rule."),
]
Interactions = Annotated[
    Path | None,
    typer.Option(
        "--interactions",
        exists=True,
        dir_okay=False,
        help="Events, one JSON object a line, may be gzip: shows contacts, tickets and low ratings beside the alerts.",
    ),
]


def backtest(
    orders: OrdersFile,
    out: OutFolder,
    start: StartDate = None,
    horizon: Horizon = None,
    lost_after: LostAfter = None,
    min_purchases: MinPurchases = None,
    every: Every = 7,
    capacity: Capacity = None,
    interactions: Interactions = None,
) -> None:
    """Replay past orders: what Pulseline would have told you, beside fixed rules. Options left out are chosen."""
    from rich.console import Console

    from services.churn_alerts.backtest.options import UnusableOptions, Wishes
    from services.churn_alerts.backtest.orders import UnreadableOrders
    from services.cli.backtest_run import run_backtest

    wishes = Wishes(
        start_day=_day(start),
        horizon_days=horizon,
        lost_after_days=lost_after,
        min_purchases=min_purchases,
        every_days=every,
        alerts_per_day=_per_day(capacity),
    )
    try:
        run_backtest(orders, out, wishes, interactions, Console())
    except (UnreadableOrders, UnusableOptions) as error:
        raise typer.BadParameter(str(error)) from error


def _day(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--start {text!r} is no date such as 2024-07-01") from error
    if instant.tzinfo is not None:
        instant = instant.astimezone(UTC)
    return instant.toordinal() - date(1970, 1, 1).toordinal()


def _per_day(text: str | None) -> float | None:
    if text is None:
        return None
    number = text.strip().lower().removesuffix("/day").removesuffix("/d")
    try:
        value = float(number)
    except ValueError as error:
        raise typer.BadParameter(f"--capacity {text!r} is no number of alerts such as 20/day") from error
    if not 0 < value < 1e9:
        raise typer.BadParameter("--capacity must be a positive number of alerts a day")
    return value
