"""The summary of who bought when says what counting every order says, whatever happened to the orders."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.api.kpi import buyers, retention, store
from services.api.kpi.model import By, Purchases
from services.api.projection import store as projection
from services.api.projection.decide import collect
from shared.contracts.event import Customer, CustomerErased, OrderReturned
from shared.contracts.identity import CustomerLinked, CustomerUnlinked
from shared.postgres.pool import open_connection
from tests.factories.records import enriched, order
from tests.integration.api.conftest import Api
from tests.stored import tables_that_hold
from tests.waiting import eventually

pytestmark = pytest.mark.integration
NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)
SHANGHAI = "Asia/Shanghai"
PLACE = ("interactions.enriched", 0)


class Shop:
    """Tables that a projection writes, and both ways of counting them."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._offset = 0

    async def project(self, *messages: Any) -> None:
        groups = collect(messages, is_searchable=False)
        await projection.write(self.connection, groups, {PLACE: (self._offset, self._offset + 1)})
        self._offset += 1

    async def advance(self, now: datetime = NOW, limit: int = buyers.BATCH) -> bool:
        async with self.connection.transaction():
            return await buyers.advance(self.connection, now, limit)

    async def catch_up(self, zone: str = SHANGHAI, now: datetime = NOW) -> bool:
        async with self.connection.transaction():
            return await buyers.catch_up(self.connection, zone, now)

    async def told(self, by: By, zone: str = SHANGHAI, now: datetime = NOW) -> tuple[Any, Any]:
        """Return what is told of the summary and of the orders."""
        span = retention.span(by, 3, now, ZoneInfo(zone))
        summed = await buyers.purchases(self.connection, span.days, retention.MONTHS[by], span.today, 40)
        async with self.connection.transaction():
            counted = await store.buying_habits(
                self.connection, span.starts, now, span.today, zone, 40, retention.SHOWN
            )
        return told(summed, span), told(counted, span)


def told(found: Purchases, span: retention.Span) -> Any:
    cohorts = retention.cohorts(found.bought, span.days)
    figures = retention.period_figures(found.bought, span.days)
    return figures, cohorts, retention.by_age(cohorts), sorted(found.waits), found.since


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    connection = await open_connection(database_url)
    await projection.prepare(connection)
    await projection.stored_offsets(connection, [PLACE])
    yield Shop(connection)
    await connection.close()


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_orders_links_and_erasures_the_summary_is_the_count(shop: Shop, seed: int) -> None:
    chance = random.Random(seed)
    life = Life(chance)
    # Some orders were there before anybody summed up.
    await shop.project(*life.orders(60))
    await buyers.claim(shop.connection, SHANGHAI)

    for _ in range(60):
        await shop.project(*life.happens())
        if chance.random() < 0.4:
            await shop.advance(limit=chance.choice((1, 3, buyers.BATCH)))
        if chance.random() < 0.1:
            await shop.advance(NOW - timedelta(days=chance.randrange(40)))
    while await shop.advance(limit=7):
        pass

    assert await shop.catch_up()
    for by in retention.MONTHS:
        summed, counted = await shop.told(by)
        assert summed == counted
    assert counted[0][-1].n_active > 0


class Life:
    """What happens to a shop's customers, in a log's order."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.n = 0
        self.seen: list[Any] = []

    def orders(self, n: int) -> list[Any]:
        made = []
        for _ in range(n):
            self.n += 1
            # Around midnight where the company is, from two years ago until an hour to come.
            days = self.chance.choice((0, 1, self.chance.randrange(60), self.chance.randrange(720)))
            at = NOW - timedelta(days=days) + timedelta(minutes=self.chance.choice((-600, -90, 0, 60, 190, 210)))
            made.append(enriched(order(f"o{self.n}", self.someone(), "10", min(at, NOW + timedelta(hours=1)))))
        self.seen += made
        return made

    def happens(self) -> Sequence[Any]:
        self.n += 1
        kind = self.chance.choices(("orders", "again", "return", "link", "unlink", "erase"), (8, 3, 2, 3, 2, 1))[0]
        if kind == "orders":
            return self.orders(self.chance.randrange(1, 12))
        if kind == "again":
            return self.chance.sample(self.seen, 5)
        one, other = self.chance.sample(range(25), 2)
        if kind == "return":
            event = OrderReturned(
                id=f"r{self.n}", source="shop", occurred_at=NOW - timedelta(days=3), customer=Customer(f"c{one}"),
                order_id="o", amount="10",
            )  # fmt: skip
            return [enriched(event)]
        if kind == "link":
            low, high = sorted((one, other))
            return [CustomerLinked(at=NOW, linked_id=f"c{low}", into_id=f"c{high}", version=self.n, by="ann")]
        if kind == "unlink":
            return [CustomerUnlinked(at=NOW, linked_id=f"c{one}", from_id=f"c{other}", version=self.n, by="ann")]
        at = NOW - timedelta(days=self.chance.randrange(300))
        return [enriched(CustomerErased(id=f"x{self.n}", source="shop", occurred_at=at, customer=Customer(f"c{one}")))]

    def someone(self) -> str:
        return f"c{self.chance.randrange(25)}"


async def test_an_order_to_come_is_counted_once_it_is_not(shop: Shop) -> None:
    await buyers.claim(shop.connection, "UTC")
    await shop.project(enriched(order("o1", "c1", "10", NOW + timedelta(minutes=4))))
    while await shop.advance():
        pass

    assert await shop.catch_up("UTC")
    before, counted_before = await shop.told("month", "UTC")
    assert await shop.catch_up("UTC", NOW + timedelta(minutes=5))
    after, counted_after = await shop.told("month", "UTC", NOW + timedelta(minutes=5))

    assert (before, after) == (counted_before, counted_after)
    assert (before[0][-1].n_active, after[0][-1].n_active) == (0, 1)


async def test_another_time_zone_begins_anew_and_is_not_answered_meanwhile(shop: Shop) -> None:
    await buyers.claim(shop.connection, "UTC")
    # The first of March in Shanghai alone.
    await shop.project(enriched(order("o1", "c1", "10", datetime(2026, 2, 28, 20, tzinfo=UTC))))
    while await shop.advance():
        pass
    answers = [await shop.catch_up("UTC"), await shop.catch_up(SHANGHAI)]

    await buyers.claim(shop.connection, SHANGHAI)
    answers += [await shop.catch_up("UTC"), await shop.catch_up(SHANGHAI)]
    while await shop.advance():
        pass

    assert answers == [True, False, False, False]
    assert await shop.catch_up(SHANGHAI)
    summed, counted = await shop.told("month")
    assert summed == counted
    assert [one.n_new for one in summed[0]] == [0, 0, 0, 1]


async def test_behind_an_import_the_summary_is_not_answered(shop: Shop) -> None:
    await buyers.claim(shop.connection, "UTC")
    while await shop.advance():
        pass
    await shop.project(*(enriched(order(f"o{n}", f"c{n}", "10", NOW)) for n in range(50)))

    async with shop.connection.transaction():
        is_caught_up = await buyers.catch_up(shop.connection, "UTC", NOW, limit=1)

    assert not is_caught_up


async def test_somebody_erased_where_building_has_come_to_leaves_nothing(shop: Shop, database_url: str) -> None:
    await shop.project(*(enriched(order(f"o{n}", f"somebody{n}", "10", NOW - timedelta(days=9))) for n in range(3)))
    await shop.connection.execute("DELETE FROM buyers_changed")
    await buyers.claim(shop.connection, "UTC")
    await shop.advance(limit=1)

    gone = CustomerErased(id="x", source="shop", occurred_at=NOW, customer=Customer("somebody0"))
    await shop.project(enriched(gone))
    found = await tables_that_hold(database_url, "somebody0")
    while await shop.advance(limit=1):
        pass

    assert found == []
    summed, counted = await shop.told("month", "UTC")
    assert summed == counted
    assert summed[0][-1].n_active == 2


async def test_somebody_erased_leaves_nothing_at_once(shop: Shop, database_url: str) -> None:
    await buyers.claim(shop.connection, "UTC")
    await shop.project(enriched(order("o1", "somebody", "10", NOW - timedelta(days=9))))
    while await shop.advance():
        pass
    await shop.project(enriched(order("o2", "somebody", "10", NOW - timedelta(days=8))))

    gone = CustomerErased(id="x", source="shop", occurred_at=NOW, customer=Customer("somebody"))
    await shop.project(enriched(gone))

    assert await tables_that_hold(database_url, "somebody") == []
    assert await shop.catch_up("UTC")
    assert (await shop.told("month", "UTC"))[0][4] is None


def test_a_running_service_answers_from_the_summary(api: Api) -> None:
    eventually(lambda: api.value("SELECT is_built FROM buyer_summary"))
    at = datetime.now(UTC) - timedelta(days=2)
    api.publish("interactions.enriched", *(enriched(order(f"o{n}", f"c{n}", "10", at)) for n in range(40)))
    api.wait_projected()

    found = api.get("/v1/kpis/retention", periods=1)

    assert found["second_purchase"]["n"] == 40
    assert api.value("SELECT count(*) FROM buyers") == 40
