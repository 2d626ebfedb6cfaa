"""What churn costs per event and per order: `python -m bench.churn_math [ORDERS.csv[.gz]]`.

Invented purchases without a file. A decision is a purchase entering the state plus the re-checks that follow it
(10 per purchase, more than the 8.6 and 2.0 measured on two public logs), scored in batches as a tick does.
"""

import io
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from services.churn_alerts.backtest.options import Wishes
from services.churn_alerts.customer.columns import Columns
from services.churn_alerts.customer.generation import prior_for
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe
from services.churn_alerts.customer.score import risk, score
from services.cli.backtest_run import run_backtest
from tests.factories.purchase_log import as_csv, purchase_log

N_CUSTOMERS = 20_000
BATCH = 2_000
CHECKS_PER_PURCHASE = 10


def customers() -> tuple[list[Purchases], int]:
    """Return states after some months of purchases, and how many purchases made them."""
    rng = random.Random(1)
    states, n = [], 0
    for _ in range(N_CUSTOMERS):
        state, day = no_purchases(30), 20_000
        for _ in range(rng.randint(1, 14)):
            day += rng.randint(1, 30)
            state = observe(state, day, 19.9)
            n += 1
        states.append(state)
    return states, n


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the median time of `work`."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> int:
    start = time.perf_counter()
    states, n_purchases = customers()
    observing = (time.perf_counter() - start) / n_purchases
    batches = [states[at : at + BATCH] for at in range(0, len(states), BATCH)]
    gathering = seconds(lambda: [Columns.from_states(batch) for batch in batches]) / len(states)
    columns = [Columns.from_states(batch) for batch in batches]
    silences = np.random.default_rng(1).integers(5, 60, BATCH)
    generation = prior_for(30)
    checking = seconds(lambda: [risk(batch, silences, generation) for batch in columns]) / len(states)
    explaining = seconds(lambda: [score(batch, silences, generation) for batch in columns]) / len(states)
    decision = observing + gathering + CHECKS_PER_PURCHASE * checking
    for name, value in (
        ("purchase into the state", observing),
        ("state into columns", gathering),
        ("a check in a batch", checking),
        ("a check with reasons", explaining),
        (f"decision (purchase, columns, {CHECKS_PER_PURCHASE} checks)", decision),
    ):
        print(f"{name:<45} {value * 1e6:7.2f} µs")
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            orders = Path(sys.argv[1])
        else:
            orders = Path(folder) / "orders.csv"
            orders.write_text(as_csv(purchase_log(12_000, 540)), encoding="utf-8")
        start = time.perf_counter()
        summary = run_backtest(orders, Path(folder) / "out", Wishes(), None, Console(file=io.StringIO()))
        taken = time.perf_counter() - start
        n_rows = summary.data["n_rows"]
    print(f"backtest of {n_rows:,} orders: {taken:.1f} s, {n_rows / taken:,.0f} orders/s (bar 20,000)")
    return 0 if decision <= 15e-6 and n_rows / taken >= 20_000 else 1


if __name__ == "__main__":
    sys.exit(main())
