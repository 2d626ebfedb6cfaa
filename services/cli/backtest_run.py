"""Runs a backtest with a progress bar and prints its result; imported only when `pulseline backtest` runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.churn_alerts.backtest.contacts import read_contacts
from services.churn_alerts.backtest.export import write_files
from services.churn_alerts.backtest.options import Wishes, choose
from services.churn_alerts.backtest.orders import read_orders
from services.churn_alerts.backtest.page import RANKINGS, RULES
from services.churn_alerts.backtest.replay import replay
from services.churn_alerts.backtest.summary import Summary, summarise
from services.churn_alerts.customer.history import history_of
from services.cli.counted import counted


def run_backtest(orders_file: Path, out: Path, wishes: Wishes, interactions: Path | None, console: Console) -> Summary:
    """Read, replay, judge and write; return the figures.

    Raises `UnreadableOrders` or `UnusableOptions` when the input is unusable, and OSError.
    """
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        reading = progress.add_task("reading (bytes)", total=orders_file.stat().st_size)
        orders = read_orders(orders_file, lambda read: progress.update(reading, completed=read))
        progress.update(reading, completed=orders_file.stat().st_size)
        customers = orders.customers()
        options = choose(customers, wishes)
        folding = progress.add_task("customers", total=len(customers))
        history = history_of(customers, float(options.horizon_days), lambda n: progress.advance(folding, n))
        last_day = int(history.day.max())
        deciding = progress.add_task("days decided", total=max(last_day - options.start_day, 1))
        result = replay(history, options, last_day, lambda n: progress.advance(deciding, n))
        progress.update(deciding, completed=max(last_day - options.start_day, 1))
        judging = progress.add_task("report", total=2)
        contacts = read_contacts(interactions) if interactions is not None else None
        summary = summarise(history, result, orders, contacts)
        progress.advance(judging)
        paths = write_files(out, history, result, summary, orders.time_form)
        progress.advance(judging)
    _show(summary, paths, console)
    return summary


def _show(summary: Summary, paths: list[Path], console: Console) -> None:
    options = summary.options
    chosen = f" (chosen from the data: {', '.join(options['chosen_from_data'])})" if options["chosen_from_data"] else ""
    console.print(
        f"start {options['start']}, horizon {options['horizon_days']} d, lost after {options['lost_after_days']} d, "
        f"at least {options['min_purchases']} purchase days, checkpoints every {options['every_days']} d{chosen}"
    )
    for why in options["why"]:
        console.print(why["english"], highlight=False)
    console.print(_table("score", "ROC-AUC", "calibration error", rows=(
        [RANKINGS[entry.name][0], _figure(entry.auc), _figure(entry.calibration_error)] for entry in summary.rankings
    )))  # fmt: skip
    # Not "median lead", for a terminal of 80 columns.
    heads = (f"rule (fixed: {options['fixed_rule_days']} d)", "alerts", "precision", "recall", "F1", "lead, d")
    console.print(_table(*heads, rows=([RULES[rule.name][0], *rule.quality.told()] for rule in summary.rules)))
    if not summary.rules[0].quality.n_silences:
        console.print("No silence begun after the start has run its course.")
    for caution in summary.warnings:
        console.print(f"warning: {caution.english}", highlight=False)
    _show_reading(summary.data, console)
    for path in paths:
        console.print(str(path), highlight=False)


def _figure(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"


def _table(name: str, *figures: str, rows: Iterable[list[str]]) -> Table:
    """Return a table whose names break in a narrow terminal rather than being cut."""
    table = Table()
    table.add_column(name, overflow="fold")
    for figure in figures:
        table.add_column(figure, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _show_reading(data: dict[str, Any], console: Console) -> None:
    """Tell what about the file may have been meant otherwise."""
    if (data["date_order"], data["decimal_sign"], data["currency"]) != ("year first", ".", ""):
        sign = {".": "point", ",": "comma"}[data["decimal_sign"]]
        currency = f", {data['currency']}" if data["currency"] else ""
        console.print(f"dates read {data['date_order']}; amounts with decimal {sign}{currency}", highlight=False)
    if data["columns_ignored"]:
        console.print(f"columns not used: {', '.join(data['columns_ignored'])}", highlight=False, markup=False)
    if data["n_without_amount"]:
        purchases = counted(data["n_without_amount"], "purchase")
        console.print(f"{purchases} without an amount: what was spent says nothing of them")
    if data["n_without_customer"]:
        console.print(f"{counted(data['n_without_customer'], 'row')} without a customer left out")
    if data["n_repeated_rows_dropped"]:
        console.print(f"{counted(data['n_repeated_rows_dropped'], 'row')} repeated in all columns; counted once")
    if data["n_equal_rows_kept"]:
        console.print(
            f"{counted(data['n_equal_rows_kept'], 'row')} equal to another; counted, as lines of a basket may be"
        )
    if data["n_rejected"]:
        first = data["rejected"][0]
        rejected = f"{counted(data['n_rejected'], 'row')} rejected"
        console.print(f"{rejected}, first: line {first['line']}: {first['reason']}", markup=False)
