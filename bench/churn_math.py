"""What churn costs per event and per order: `python -m bench.churn_math [ORDERS.csv[.gz]]`.

Invented purchases without a file. A decision is a purchase entering the state plus the re-checks that follow it
(4.3 per purchase: 8.6 on CDNOW, 2.0 on Complete Journey), scored in batches as a tick does. Its times are
processor time, so that a busy machine does not change them. The backtest's bar is what its user waits for, orders a
second by the clock, which only an idle machine shows; its fits run side by side, so processor time is printed beside.
"""

import io
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
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
CHECKS_PER_PURCHASE = 4.3


def logs() -> list[list[int]]:
    """Return the purchase days of each customer."""
    rng = random.Random(1)
    return [
        list(accumulate((rng.randint(1, 30) for _ in range(rng.randint(1, 14))), initial=20_000))
        for _ in range(N_CUSTOMERS)
    ]


def state_of(days: list[int]) -> Purchases:
    """Return the state after a customer's purchases."""
    state = no_purchases(30)
    for day in days:
        state = observe(state, day, 19.9)
    return state


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the median processor time of `work`."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def processor_time() -> float:
    """Return the processor time of this process and of those it ended, seconds."""
    return sum(os.times()[:4])


def main() -> int:
    days = logs()
    observing = seconds(lambda: [state_of(each) for each in days]) / sum(map(len, days))
    states = [state_of(each) for each in days]
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
        start, began = processor_time(), time.perf_counter()
        summary = run_backtest(orders, Path(folder) / "out", Wishes(), None, Console(file=io.StringIO()))
        taken, elapsed = processor_time() - start, time.perf_counter() - began
        n_rows = summary.data["n_rows"]
    print(f"backtest of {n_rows:,} orders: {elapsed:.2f} s, {n_rows / elapsed:,.0f} orders/s by the clock (bar 20,000)")
    print(f"    {taken:.2f} s of processor time, workers counted: {n_rows / taken:,.0f} orders a second of it")
    return 0 if decision <= 15e-6 and n_rows / elapsed >= 20_000 else 1


if __name__ == "__main__":
    sys.exit(main())
