"""The live processor, given a backtest's orders and the models and thresholds it published, raises the same alerts."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest

from services.churn_alerts.alert.rules import Rules, SignalWeight
from services.churn_alerts.backtest.options import Wishes, choose
from services.churn_alerts.backtest.records import control_records
from services.churn_alerts.backtest.replay import Replay, replay
from services.churn_alerts.customer.history import CustomerDays, History, history_of
from services.churn_alerts.customer.model import DAY_MS
from shared.clock import to_ms
from shared.contracts.alert import AlertRaised, SignalName
from tests.factories.churn_log import Heard, calm, decided, order, tick
from tests.factories.purchase_log import FIRST_DAY, purchase_log

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY = FIRST_DAY + 239
SILENCE_ALONE = Rules(signals={name: SignalWeight(weight=0, threshold=10_000) for name in get_args(SignalName)})

Alert = tuple[str, int, float]


def noon(day: int) -> datetime:
    return EPOCH + timedelta(days=day, hours=12)


def of_backtest(history: History, result: Replay) -> set[Alert]:
    alerts = result.alerts
    owners = [history.customer_ids[owner] for owner in history.customer[alerts.row]]
    return set(zip(owners, alerts.day.tolist(), alerts.p.tolist(), strict=True))


def of_live(customers: list[CustomerDays], result: Replay) -> set[Alert]:
    controls = [(record.in_force_at, msgspec.json.encode(record)) for record in control_records(result, SILENCE_ALONE)]
    log: list[tuple[datetime, Heard | bytes]] = [*controls]
    for owner, purchases, _ in customers:
        log += [(noon(day), calm(order(owner, noon(day), amount=f"{(cents or 0) / 100}"))) for day, cents in purchases]
    log.append((noon(LAST_DAY + 1), tick(noon(LAST_DAY + 1))))
    raised = decided(entry for _, entry in sorted(log, key=lambda pair: pair[0])).alerts
    return {
        (record.customer_id, to_ms(record.at) // DAY_MS - 1, record.body.risk.p_churn)
        for record in raised
        if isinstance(record, AlertRaised) and record.body.risk is not None
    }


@pytest.mark.slow
def test_live_equals_backtest() -> None:
    customers = purchase_log(80, 240)
    options = choose(customers, Wishes(start_day=FIRST_DAY + 120, horizon_days=28, lost_after_days=42, min_purchases=2))
    history = history_of(customers, 28.0)
    result = replay(history, options, LAST_DAY)

    live = {alert for alert in of_live(customers, result) if options.start_day <= alert[1] <= LAST_DAY}

    assert len(live) > 20
    assert live == of_backtest(history, result)
