"""Purchase logs of an invented shop: customers with their own pace who leave after some purchase."""

import random
from datetime import date, timedelta

from services.churn_alerts.customer.history import CustomerDays
from services.churn_alerts.customer.model import PurchaseDay

FIRST_DAY = 19_723
"""2024-01-01."""


def purchase_log(n_customers: int, n_days: int, seed: int = 7, return_ratio: float = 0.0) -> list[CustomerDays]:
    """Return customers by id whose gaps are gamma around their own mean and who leave with 6 % after each purchase."""
    rng = random.Random(seed)
    customers: list[CustomerDays] = []
    for number in range(n_customers):
        mean_gap, shape = rng.lognormvariate(2.4, 0.5), rng.choice((1.0, 2.0, 4.0))
        at = FIRST_DAY + rng.uniform(0, n_days * 0.6)
        days: dict[int, int] = {}
        returns = []
        while at < FIRST_DAY + n_days:
            days[int(at)] = round(100 * rng.lognormvariate(3.0, 0.6))
            if rng.random() < return_ratio:
                returns.append(min(int(at) + rng.randint(0, 20), FIRST_DAY + n_days - 1))
            if rng.random() < 0.06:
                break
            at += max(rng.gammavariate(shape, mean_gap / shape), 0.2)
        customers.append((f"c{number:05d}", [PurchaseDay(day, days[day]) for day in sorted(days)], sorted(returns)))
    return customers


def closed(customers: list[CustomerDays], first_day: int, last_day: int) -> list[CustomerDays]:
    """Return the log of a shop where nobody could buy from one day to another."""
    open_days = [
        (owner, [entry for entry in purchases if not first_day <= entry.day <= last_day], returns)
        for owner, purchases, returns in customers
    ]
    return [entry for entry in open_days if entry[1]]


def until(customers: list[CustomerDays], day: int) -> list[CustomerDays]:
    """Return the log as it stood at the end of `day`."""
    cut = [
        (owner, [entry for entry in purchases if entry.day <= day], [at for at in returns if at <= day])
        for owner, purchases, returns in customers
    ]
    return [entry for entry in cut if entry[1]]


def as_csv(customers: list[CustomerDays]) -> str:
    """Return the log in the form `pulseline backtest` reads."""
    lines = ["customer_id,time,event,amount"]
    for owner, purchases, returns in customers:
        lines += [f"{owner},{_iso(day)},purchase,{(cents or 0) / 100:.2f}" for day, cents in purchases]
        lines += [f"{owner},{_iso(day)},return," for day in returns]
    return "\n".join(lines) + "\n"


def _iso(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
