"""kill -9 of the API while events and alerts stream in: the tables equal the topics, every notification is sent."""

import json
import random
import threading
import time
from collections import Counter
from decimal import Decimal

import pytest

from tests.factories.records import enriched, order, raised
from tests.integration.api.conftest import Api
from tests.integration.api.test_notifications import Receiver, add, receiving
from tests.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

N_KILLS = 20
N_ORDERS = 20_000
N_ALERTS = 400
N_CUSTOMERS = 500
BATCH = 500


def stream_in(api: Api, is_done: threading.Event) -> None:
    """Publish the orders and alerts in batches, spread over the kills."""
    for start in range(0, N_ORDERS, BATCH):
        numbers = range(start, start + BATCH)
        api.publish(
            "interactions.enriched", *(enriched(order(f"o{n}", f"c{n % N_CUSTOMERS}", "1.25")) for n in numbers)
        )
        alerts = range(start * N_ALERTS // N_ORDERS, (start + BATCH) * N_ALERTS // N_ORDERS)
        api.publish("churn.alerts", *(raised(f"a{n}", f"c{n % N_CUSTOMERS}") for n in alerts))
    is_done.set()


def told(receiver: Receiver) -> dict[str, Counter[str]]:
    """Return how often each message id brought each alert."""
    by_alert: dict[str, Counter[str]] = {}
    for headers, content in list(receiver.requests):
        alert_id = json.loads(content)["data"]["alert_id"]
        by_alert.setdefault(alert_id, Counter())[headers["webhook-id"]] += 1
    return by_alert


def test_twenty_kills_lose_and_repeat_nothing(api: Api) -> None:
    chance, is_done = random.Random(20), threading.Event()
    with receiving() as receiver:
        add(api, receiver.url, event_types=["alert.raised"], rate_per_minute=6_000)
        publishing = threading.Thread(target=stream_in, args=(api, is_done))
        publishing.start()
        for _ in range(N_KILLS):
            api.process.kill()
            api.process.start(until_ready=False)
            # Long enough to have begun, at no particular point of the work.
            time.sleep(chance.uniform(1.0, 3.0))
        publishing.join()
        api.process.wait_ready(60)
        api.wait_projected(120)
        # A message that was claimed by a killed process is free again after a minute.
        eventually(lambda: len(told(receiver)) == N_ALERTS, timeout_s=150)

    assert is_done.is_set()
    assert api.value("SELECT count(*) FROM orders") == N_ORDERS
    assert api.value("SELECT count(*) FROM interactions") == N_ORDERS
    assert api.value("SELECT sum(amount) FROM orders") == Decimal("1.25") * N_ORDERS
    assert api.value("SELECT count(*) FROM alert_events WHERE type = 'alert.raised'") == N_ALERTS
    assert api.value("SELECT count(*) FROM customers") == N_CUSTOMERS
    assert all(len(ids) == 1 for ids in told(receiver).values())
