"""Live equals replay equals backtest on a public purchase log, on any number of partitions: same ids, same times."""

from pathlib import Path
from random import Random

import pytest

from services.churn_alerts.backtest.options import Wishes, choose
from services.churn_alerts.backtest.orders import read_orders
from tests.conftest import RunningKafka
from tests.factories.three_ways import Company, company_of, of_backtest, of_kafka, of_replay

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]

ONE_IN = 60


@pytest.fixture(scope="module")
def company(shared_data: Path) -> Company:
    """Forty households of Complete Journey: four thousand purchase days, and every generation they led to."""
    customers = read_orders(shared_data / "churn" / "complete_journey.csv.gz").customers()[::ONE_IN]
    first_day = min(days[0].day for _, days, _ in customers)
    return company_of(customers, choose(customers, Wishes(first_day + 182, 28, 28, 3)))


@pytest.mark.parametrize("partitions", [1, 3, 12])
async def test_a_live_worker_raises_what_the_backtest_raised(
    kafka: RunningKafka, topic_prefix: str, company: Company, partitions: int
) -> None:
    raised = await of_kafka(company, kafka.bootstrap, topic_prefix, partitions)

    assert raised == of_backtest(company)


async def test_every_order_three_times_and_shuffled_within_its_day_raises_the_same(
    kafka: RunningKafka, topic_prefix: str, company: Company
) -> None:
    raised = await of_kafka(company, kafka.bootstrap, topic_prefix, 3, Random(5))

    assert raised == of_backtest(company)


@pytest.mark.parametrize("partitions", [1, 12])
def test_a_replay_raises_what_the_backtest_raised(company: Company, partitions: int) -> None:
    raised = of_replay(company, partitions)

    assert len(raised) > 20
    assert raised == of_backtest(company)
