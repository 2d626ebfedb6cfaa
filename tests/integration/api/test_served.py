"""The summary of how customers were served says what counting every message says, whatever happened to the messages."""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from services.api.kpi import served
from services.api.kpi.cells import service_cells
from services.api.kpi.contacts import count_served
from services.api.kpi.model import ServiceCell, ServicePeriod
from services.api.kpi.service import period_days
from services.api.projection import store as projection
from services.api.projection.decide import collect
from shared.contracts.enriched import AspectHit
from shared.contracts.event import (
    Actor,
    Call,
    ConsultationCompleted,
    Customer,
    CustomerErased,
    Interaction,
    SurveyAnswered,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from shared.contracts.identity import CustomerLinked, CustomerUnlinked, HistoryErased
from shared.postgres.pool import open_connection
from tests.factories.records import enriched, order
from tests.integration.api.conftest import Api
from tests.integration.api.counted_service import Counted, counted_cells
from tests.stored import tables_that_hold
from tests.waiting import eventually

pytestmark = pytest.mark.integration
NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)
SHANGHAI = "Asia/Shanghai"
PLACE = ("interactions.enriched", 0)
AGENTS = [Actor("agent", "ann"), Actor("agent", "bo"), Actor("bot", "helper"), None]


class Desk:
    """Tables that a projection writes, and each way of counting them."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._offset = 0

    async def project(self, *messages: Any) -> None:
        groups = collect(messages, is_searchable=False)
        await projection.write(self.connection, groups, {PLACE: (self._offset, self._offset + 1)})
        self._offset += 1

    async def project_as_before(self, *messages: Any) -> None:
        """As a version that knows of no notes."""
        await self.project(*messages)
        await self.connection.execute("DELETE FROM served_changed")
        await self.connection.execute("UPDATE projection_offsets SET noted_offset = noted_offset - 1")

    async def advance(self, now: datetime = NOW, limit: int = served.BATCH) -> bool:
        async with self.connection.transaction():
            return await served.advance(self.connection, now, limit)

    async def settle(self, limit: int = served.BATCH) -> None:
        while await self.advance(limit=limit):
            pass

    async def catch_up(self, now: datetime = NOW, limit: int = served.BATCH) -> bool:
        async with self.connection.transaction():
            return await served.catch_up(self.connection, now, limit)

    async def summed(self, days: int, by: ServicePeriod, zone: str = SHANGHAI, until: datetime = NOW) -> Any:
        return self._told(await served.facts(self.connection, _since(days, until, zone)), days, by, zone, until)

    async def packed(self, days: int, by: ServicePeriod, zone: str = SHANGHAI, until: datetime = NOW) -> Any:
        seen = min(NOW, until + timedelta(days=30))
        async with self.connection.transaction():
            found = await count_served(self.connection, _since(days, until, zone), until, seen)
        return self._told(found, days, by, zone, until)

    async def counted(self, days: int, by: ServicePeriod, zone: str = SHANGHAI, until: datetime = NOW) -> Any:
        rows = await counted_cells(self.connection, _since(days, until, zone), until, NOW, by, zone)
        return sorted(_cells(rows), key=_named)

    def _told(self, found: Any, days: int, by: ServicePeriod, zone: str, until: datetime) -> list[Any]:
        since, place = _since(days, until, zone), ZoneInfo(zone)
        seen = min(NOW, until + timedelta(days=30))
        cells = service_cells(found, since, until, seen, period_days(by, since, until, place), place)
        told = [cell._replace(times=None if cell.times is None else _times(*cell.times)) for cell in cells]
        return sorted(told, key=_named)


def _cells(rows: Sequence[Counted]) -> Iterator[Any]:
    """Return counted rows as the cells they are."""
    names = sorted({(row.what, row.dimension, row.name) for row in rows}, key=str)
    for name in names:
        alike = [row for row in rows if (row.what, row.dimension, row.name) == name]
        timed = [(row.seconds, row.has_ended, row.n) for row in alike if row.seconds is not None]
        n, n_first, n_second = (sum(part) for part in zip(*((r.n, r.n_first, r.n_second) for r in alike), strict=True))
        yield ServiceCell(*name, n, n_first, n_second, _times(*zip(*timed, strict=True)) if timed else None)  # type: ignore[arg-type]


def _times(seconds: Any, has_ended: Any, n: Any) -> Any:
    return sorted((int(one), bool(ended), int(many)) for one, ended, many in zip(seconds, has_ended, n, strict=True))


def _named(cell: Any) -> tuple[str, str, str]:
    return cell.what, cell.dimension, cell.name


def _since(days: int, until: datetime, zone: str) -> datetime:
    first_day = until.astimezone(ZoneInfo(zone)).date() - timedelta(days=days - 1)
    return datetime.combine(first_day, time(), ZoneInfo(zone))


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    connection = await open_connection(database_url)
    await projection.prepare(connection)
    await projection.stored_offsets(connection, [PLACE])
    yield Desk(connection)
    await connection.close()


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_messages_links_and_erasures_the_summary_is_the_count(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    life = Life(chance)
    await desk.project_as_before(*(event for _ in range(20) for event in life.talk()))

    for _ in range(60):
        await desk.project(*life.happens())
        if chance.random() < 0.4:
            await desk.advance(limit=chance.choice((1, 3, served.BATCH)))
        if chance.random() < 0.1:
            await desk.advance(NOW - timedelta(days=chance.randrange(40)))
    await desk.settle(limit=7)

    assert await desk.catch_up()
    questions: list[tuple[int, ServicePeriod, str, datetime]] = [
        (400, "month", SHANGHAI, NOW),
        (28, "week", "UTC", NOW),
        (5, "day", "America/New_York", NOW),
        (30, "week", SHANGHAI, NOW - timedelta(days=20)),
    ]
    for asked in questions:
        counted = await desk.counted(*asked)
        assert await desk.summed(*asked) == counted
        assert await desk.packed(*asked) == counted
    old = (30, "week", SHANGHAI, NOW - timedelta(days=60))
    assert await desk.packed(*old) == await desk.counted(*old)  # type: ignore[arg-type]
    assert {cell.what for cell in await desk.summed(400, "month")} >= {
        "contact", "ticket", "csat", "ces", "consultation", "buyers",
    }  # fmt: skip


class Life:
    """What happens at a desk, in a log's order."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.n = 0
        self.seen: list[Any] = []

    def happens(self) -> Sequence[Any]:
        self.n += 1
        kinds = ("talk", "ticket", "order", "again", "link", "unlink", "erase")
        kind = self.chance.choices(kinds, (8, 3, 3, 3, 3, 2, 1))[0]
        if kind == "talk":
            return self.talk()
        if kind == "ticket":
            return self.ticket()
        if kind == "order":
            return self._kept(enriched(order(f"o{self.n}", self._someone(), "10", self._once())))
        if kind == "again":
            return self.chance.sample(self.seen, 5)
        one, other = self.chance.sample(range(25), 2)
        if kind == "link":
            low, high = sorted((one, other))
            return [CustomerLinked(at=NOW, linked_id=f"c{low}", into_id=f"c{high}", version=self.n, by="ann")]
        if kind == "unlink":
            return [CustomerUnlinked(at=NOW, linked_id=f"c{one}", from_id=f"c{other}", version=self.n, by="ann")]
        at = NOW - timedelta(days=self.chance.randrange(300))
        return [enriched(CustomerErased(id=f"x{self.n}", source="shop", occurred_at=at, customer=Customer(f"c{one}")))]

    def talk(self) -> list[Any]:
        """Return a conversation of some days, out of order, with a survey at times."""
        self.n += 1
        chance, at, customer = self.chance, self._once(), self._someone()
        channel: Any = chance.choice(("chat", "email", "phone", None))
        conversation = chance.choice((f"t{self.n}", f"t{customer}-{at.date()}", None))
        said: list[Any] = []
        for number in range(chance.randrange(1, 7)):
            at += timedelta(seconds=chance.choice((0, 40, 5_000, 90_000, 300_000)))
            if at > NOW + timedelta(hours=1):
                break
            is_customers = number == 0 or chance.random() < 0.5
            attributes = {"kind": "auto_reply"} if chance.random() < 0.1 else {}
            event = Interaction(
                id=f"m{self.n}-{number}", source="desk", occurred_at=at, customer=Customer(customer), channel=channel,
                conversation_id=conversation, direction="inbound" if is_customers else "outbound",
                actor=Actor("customer") if is_customers else chance.choice(AGENTS), text="hello",
                call=Call(duration_s=9) if channel == "phone" and number == 0 else None, attributes=attributes,
            )  # fmt: skip
            told = enriched(event)
            if told.sentiment and chance.random() < 0.4:
                named: list[Any] = chance.sample(("price", "waiting", "quality"), 2)
                hits = [AspectHit(name, ["x"]) for name in named]
                told = replace(told, sentiment=replace(told.sentiment, is_complaint=True, aspects=hits))
            said.append(told)
        if chance.random() < 0.5 and at < NOW:
            kind: Any = chance.choice(("csat", "nps", "ces"))
            survey = SurveyAnswered(
                id=f"s{self.n}", source="desk", occurred_at=at + timedelta(hours=2), customer=Customer(customer),
                kind=kind, score=chance.randrange(1, 6) if kind == "csat" else chance.randrange(11),
                scale_min=1 if kind == "csat" else 0, scale_max=5 if kind == "csat" else 10,
                channel=channel, conversation_id=conversation,
            )  # fmt: skip
            said.append(enriched(survey))
        if chance.random() < 0.2 and at < NOW:
            consultation = ConsultationCompleted(
                id=f"p{self.n}", source="desk", occurred_at=at + timedelta(hours=1), customer=Customer(customer),
                project_id=f"p{self.n}", goal_met=chance.random() < 0.5, channel=channel, conversation_id=conversation,
                actor=chance.choice(AGENTS),
            )  # fmt: skip
            said.append(enriched(consultation))
        chance.shuffle(said)
        return self._kept(*said)

    def ticket(self) -> list[Any]:
        """Return a ticket's steps, some of them told of another customer."""
        self.n += 1
        chance, at, customer = self.chance, self._once(), self._someone()
        told = []
        kinds = [TicketOpened, TicketResolved, TicketReopened, TicketResolved][: chance.randrange(1, 5)]
        for number, kind in enumerate(kinds):
            event = kind(
                id=f"k{self.n}-{number}", source="desk", occurred_at=at, ticket_id=f"k{self.n}", channel="email",
                customer=Customer(customer if chance.random() < 0.7 else self._someone()), actor=chance.choice(AGENTS),
            )  # fmt: skip
            told.append(enriched(event))
            at += timedelta(hours=chance.choice((1, 30, 100, 200)))
        chance.shuffle(told)
        return self._kept(*told)

    def _kept(self, *made: Any) -> list[Any]:
        self.seen += made
        return list(made)

    def _once(self) -> datetime:
        days = self.chance.choice((0, 1, self.chance.randrange(40), self.chance.randrange(390)))
        minutes = self.chance.choice((-900, -600, -90, -1, 30))
        return min(NOW - timedelta(days=days) + timedelta(minutes=minutes), NOW + timedelta(hours=1))

    def _someone(self) -> str:
        return f"c{self.chance.randrange(25)}"


def asks(name: str, customer: str, at: datetime) -> Any:
    event = Interaction(
        id=name, source="desk", occurred_at=at, customer=Customer(customer), channel="chat", direction="inbound",
        conversation_id=f"talk-{customer}", actor=Actor("customer"), text="hello",
    )  # fmt: skip
    return enriched(event)


def n_contacts(cells: Sequence[ServiceCell]) -> int:
    return sum(cell.n for cell in cells if cell.what == "contact" and cell.dimension == "whole")


async def test_a_message_to_come_is_counted_once_it_is_there(desk: Desk) -> None:
    await desk.project(asks("m1", "c1", NOW + timedelta(minutes=4)))
    await desk.settle()

    assert await desk.catch_up()
    before = n_contacts(await desk.summed(7, "week"))
    later = NOW + timedelta(minutes=5)
    assert await desk.catch_up(later)
    after = n_contacts(await desk.summed(7, "week", until=later))

    assert (before, after) == (0, 1)


async def test_what_a_version_without_notes_wrote_is_counted_after_the_summary_began_anew(desk: Desk) -> None:
    await desk.settle()
    was_whole = await desk.catch_up()
    await desk.project_as_before(asks("m1", "c1", NOW - timedelta(days=1)))

    is_whole = await desk.catch_up()
    await desk.settle()

    assert (was_whole, is_whole) == (True, False)
    assert await desk.catch_up()
    assert n_contacts(await desk.summed(7, "week")) == 1


async def test_what_a_version_that_notes_no_consultations_wrote_is_counted_anew(desk: Desk) -> None:
    await desk.settle()
    told = ConsultationCompleted(
        id="p1", source="desk", occurred_at=NOW - timedelta(days=1), customer=Customer("c1"), project_id="p",
        goal_met=True,
    )  # fmt: skip
    await desk.project(enriched(told))
    await desk.connection.execute("DELETE FROM served_changed")
    await desk.connection.execute("UPDATE projection_offsets SET effort_offset = effort_offset - 1")

    is_whole = await desk.catch_up()
    await desk.settle()

    assert not is_whole
    cells = await desk.summed(7, "week")
    assert [(one.n, one.n_first) for one in cells if one.what == "consultation"] == [(1, 1)] * 2


async def test_behind_an_import_the_summary_is_not_answered(desk: Desk) -> None:
    await desk.settle()
    for number in range(8):
        await desk.project(asks(f"m{number}", f"c{number}", NOW - timedelta(days=1)))

    assert not await desk.catch_up(limit=1)
    assert await desk.catch_up()


async def test_of_who_says_much_all_is_taken_up_at_once(desk: Desk) -> None:
    await desk.settle()
    for number in range(8):
        await desk.project(asks(f"m{number}", "c0", NOW - timedelta(days=1)))
    await desk.project(asks("m8", "c1", NOW - timedelta(days=1)))

    await desk.advance(limit=1)

    left = await desk.connection.fetch("SELECT customer_id FROM served_changed")
    assert [row["customer_id"] for row in left] == ["c1"]


async def test_dropped_months_are_counted_no_longer(desk: Desk) -> None:
    old, new = NOW - timedelta(days=70), NOW - timedelta(days=1)
    await desk.project(asks("m1", "c1", old), asks("m2", "c1", new))
    await desk.settle()
    known = n_contacts(await desk.summed(100, "month"))

    await projection.drop_months_before(desk.connection, (2026, 3))
    await desk.settle()

    assert (known, n_contacts(await desk.summed(100, "month"))) == (2, 1)


async def test_somebody_erased_leaves_nothing_at_once_and_others_keep_their_part(desk: Desk, database_url: str) -> None:
    at = NOW - timedelta(days=9)
    steps = [
        TicketOpened(id="k1", source="desk", occurred_at=at, customer=Customer("other"), ticket_id="t"),
        TicketResolved(
            id="k2", source="desk", occurred_at=at + timedelta(hours=1), customer=Customer("somebody"), ticket_id="t"
        ),
    ]
    await desk.project(asks("m1", "somebody", at), *map(enriched, steps))
    await desk.settle(limit=1)
    await desk.project(asks("m2", "somebody", at))

    gone = CustomerErased(id="x", source="desk", occurred_at=NOW, customer=Customer("somebody"))
    await desk.project(enriched(gone))

    assert await tables_that_hold(database_url, "somebody") == []
    assert await desk.catch_up()
    assert await desk.summed(30, "week") == await desk.counted(30, "week")
    left = next(cell for cell in await desk.summed(30, "week") if cell.what == "ticket")
    assert [has_ended for _, has_ended, _ in left.times] == [False]


async def test_no_note_is_left_of_who_was_erased_before_whom_he_was_joined_to(desk: Desk, database_url: str) -> None:
    said = [asks("m1", "gone", NOW), enriched(order("o1", "gone", "9.00", NOW))]
    gone = CustomerErased(id="x", source="desk", occurred_at=NOW, customer=Customer("gone"))
    await desk.project(*(replace(event, linked_id="gone-too") for event in said), enriched(gone))

    await desk.project(HistoryErased(id="era", at=NOW, linked_id="gone-too", ids=["gone", "gone-too"]))

    assert await tables_that_hold(database_url, "gone") == []


async def test_who_is_erased_by_a_version_that_knows_no_notes_leaves_none(desk: Desk, database_url: str) -> None:
    ticket = TicketOpened(id="k1", source="desk", occurred_at=NOW, customer=Customer("gone"), ticket_id="t")
    said = [asks("m1", "gone", NOW), enriched(ticket), enriched(order("o1", "gone", "9.00", NOW))]
    await desk.project(*said)
    await desk.settle()
    await desk.project(asks("m2", "gone", NOW))

    for table in ("orders", "interactions", "customers", "buyers", "buyers_changed"):
        await desk.connection.execute(f"DELETE FROM {table} WHERE customer_id = 'gone'")
    await desk.connection.execute("INSERT INTO erasures (customer_id, erased_at) VALUES ('gone', $1)", NOW)

    assert await tables_that_hold(database_url, "gone") == []


async def test_rows_that_went_through_somebody_erased_leave_no_note_of_him(desk: Desk) -> None:
    await desk.connection.execute("INSERT INTO erasures (customer_id, erased_at) VALUES ('gone', $1)", NOW)
    await desk.project(enriched(order("o1", "gone", "9.00", NOW + timedelta(seconds=1))))
    await desk.settle()
    await desk.project(enriched(order("o2", "gone", "9.00", NOW + timedelta(seconds=1))))

    for table in ("orders", "interactions"):
        await desk.connection.execute(f"UPDATE {table} SET customer_id = 'heir'")

    noted = await desk.connection.fetch("SELECT DISTINCT customer_id FROM served_changed")
    left = await desk.connection.fetchval("SELECT count(*) FROM served")
    assert ([row["customer_id"] for row in noted], left) == (["heir"], 0)


def test_a_running_service_answers_from_the_summary(api: Api) -> None:
    eventually(lambda: api.value("SELECT is_built FROM served_summary"))
    at = datetime.now(UTC) - timedelta(days=2)
    api.publish("interactions.enriched", *(asks(f"m{n}", f"served-{n}", at) for n in range(40)))
    api.wait_projected()

    found = api.get("/v1/kpis/service", days=7)

    assert found["whole"]["n_contacts"] == 40
    assert api.value("SELECT count(*) FROM served WHERE customer_id LIKE 'served-%'") == 40
