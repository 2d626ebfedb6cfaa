"""Policies on real parts: kept and checked over HTTP, followed once by whichever process comes first."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.api.alert.schemas import AlertEventRow
from services.api.alert.store import append_records
from services.api.metrics import ApiMetrics
from services.api.notification import store as notifications
from services.api.notification.courier import Courier
from services.api.notification.model import Endpoint, Outcome, QuietHours
from services.api.policy import store
from services.api.policy.clockwork import PolicyClockwork
from services.api.policy.model import AssignmentRule, EscalationPolicy, EscalationStep
from shared.clock import SystemClock
from shared.postgres.pool import make_pool
from tests.factories.records import raised, updated
from tests.fakes.clock import FakeClock
from tests.integration.api.conftest import Api
from tests.waiting import eventually

pytestmark = pytest.mark.integration
World = Callable[["Desk"], Awaitable[None]]


class Desk:
    """A database with a clock that a test moves, and what works on it."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.clock = FakeClock(SystemClock().now())
        self.policies = PolicyClockwork(pool, self.clock, {})
        self.outbox = Outbox(self.clock)
        metrics = ApiMetrics(CollectorRegistry())
        self.courier = Courier(pool, self.outbox, metrics, self.clock, random.Random(1))  # type: ignore[arg-type]  # sends alike

    async def raise_alerts(self, *records: Any) -> None:
        async with self.pool.acquire(timeout=5) as connection, connection.transaction():
            await append_records(connection, records)

    async def add(self, policy: Any, kind: Any) -> None:
        async with self.pool.acquire(timeout=5) as connection:
            await store.insert(connection, f"{kind}_1", kind, policy, "test", self.clock.now())

    async def add_endpoint(self, **fields: Any) -> None:
        values = {"quiet_hours": None, "digest_minutes": None, "includes_held_out": True} | fields
        endpoint = notifications.NewEndpoint(
            id="ep_1",
            name="test",
            kind="webhook",
            url="https://example.com/",
            sealed_secret=None,
            language="en",
            event_types=None,
            severities=None,
            rate_per_minute=6_000,
            created_by="test",
            **values,
        )
        async with self.pool.acquire(timeout=5) as connection:
            await notifications.insert(connection, endpoint)

    async def fetch(self, query: str) -> list[Any]:
        async with self.pool.acquire(timeout=5) as connection:
            return list(await connection.fetch(query))


class Outbox:
    """What was sent, and when; refuses while the receiver is down."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.is_down = False
        self.taken: list[tuple[str, list[AlertEventRow]]] = []
        self.ids: dict[tuple[int, ...], set[str]] = {}

    async def send(self, endpoint: Endpoint, rows: Sequence[AlertEventRow], message_id: str) -> Outcome:
        self.ids.setdefault(tuple(row.id for row in rows), set()).add(message_id)
        if self.is_down:
            return Outcome(False, 503, "HTTP 503")
        self.taken.append((message_id, list(rows)))
        return Outcome(True, 204)


def run(database_url: str, world: World) -> None:
    async def inside() -> None:
        async with make_pool(database_url) as pool:
            await world(Desk(pool))

    asyncio.run(inside())


async def events_of(desk: Desk, alert_id: str) -> list[tuple[str, str]]:
    rows = await desk.fetch(f"SELECT type, actor FROM alert_events WHERE alert_id = '{alert_id}' ORDER BY version")
    return [(row["type"], row["actor"]) for row in rows]


def test_new_alerts_are_given_out_in_turn_and_once(database_url: str) -> None:
    async def world(desk: Desk) -> None:
        await desk.add(AssignmentRule(name="all", assignees=["a", "b"]), "assignment")
        await desk.raise_alerts(*(raised(f"a{n}", f"c{n}") for n in range(4)), raised("h1", is_historical=True))

        twin = PolicyClockwork(desk.pool, desk.clock, {})
        await asyncio.gather(desk.policies.tick(), twin.tick())
        await desk.policies.tick()

        rows = await desk.fetch("SELECT assignee FROM alerts ORDER BY alert_id")
        assert [row["assignee"] for row in rows] == ["a", "b", "a", "b", None]
        assert await events_of(desk, "a0") == [("alert.raised", "engine"), ("alert.assigned", "policy")]

    run(database_url, world)


def test_an_alert_nobody_takes_is_breached_and_climbs(database_url: str) -> None:
    policy = EscalationPolicy(
        name="p", acknowledge_within_minutes=30, steps=[EscalationStep(60, "acknowledged", "lead")]
    )

    async def world(desk: Desk) -> None:
        await desk.add(policy, "escalation")
        await desk.raise_alerts(raised("a1"))
        for _ in range(4):
            await desk.policies.tick()
            desk.clock.advance(31 * 60)

        assert [kind for kind, _ in await events_of(desk, "a1")] == [
            "alert.raised",
            "alert.promised",
            "alert.breached",
            "alert.escalated",
            "alert.assigned",
        ]
        assert await desk.fetch("SELECT FROM alert_timers") == []

    run(database_url, world)


def test_a_new_start_sets_the_timers_anew(database_url: str) -> None:
    async def world(desk: Desk) -> None:
        await desk.add(EscalationPolicy(name="p", resolve_within_minutes=60), "escalation")
        await desk.raise_alerts(raised("a1"))
        await desk.policies.tick()
        desk.clock.advance(1_800)
        await desk.raise_alerts(raised("a1", revision=2))
        await desk.policies.tick()

        [row] = await desk.fetch("SELECT due_at FROM alert_timers")
        assert row["due_at"] == desk.clock.now() + timedelta(minutes=60)

    run(database_url, world)


def test_a_receiver_that_was_down_for_an_hour_gets_everything_in_order(database_url: str) -> None:
    async def world(desk: Desk) -> None:
        await desk.add_endpoint()
        desk.outbox.is_down = True
        desk.clock.advance(1)
        for customer in range(5):
            await desk.raise_alerts(raised(f"a{customer}", f"c{customer}"), updated(f"a{customer}", f"c{customer}"))
        for minute in range(4 * 60):
            desk.outbox.is_down = minute < 60
            while await desk.courier.work():
                pass
            desk.clock.advance(60)

        for customer in range(5):
            told = [rows[0].type for _, rows in desk.outbox.taken if rows[0].customer_id == f"c{customer}"]
            assert told == ["alert.raised", "alert.updated"]
        assert all(len(ids) == 1 for ids in desk.outbox.ids.values())

    run(database_url, world)


def test_a_digest_gathers_and_keeps_its_id_when_it_is_sent_again(database_url: str) -> None:
    async def world(desk: Desk) -> None:
        await desk.add_endpoint(digest_minutes=10)
        await desk.raise_alerts(*(raised(f"a{n}", f"c{n}") for n in range(3)))
        assert await desk.courier.work() == 0
        desk.clock.advance(11 * 60)
        desk.outbox.is_down = True
        await desk.courier.work()
        await desk.raise_alerts(raised("late", "c9"))
        desk.outbox.is_down = False
        desk.clock.advance(60)
        await desk.courier.work()

        [(message_id, rows)] = desk.outbox.taken
        assert len(rows) == 3
        assert desk.outbox.ids[tuple(row.id for row in rows)] == {message_id}

    run(database_url, world)


def test_what_comes_in_quiet_hours_is_sent_at_their_end(database_url: str) -> None:
    async def world(desk: Desk) -> None:
        start = desk.clock.now() - timedelta(hours=1)
        end = desk.clock.now() + timedelta(hours=1)
        quiet = QuietHours(time_zone="UTC", start=f"{start:%H:%M}", end=f"{end:%H:%M}")
        await desk.add_endpoint(quiet_hours=quiet)
        await desk.raise_alerts(raised("a1", severity="low"), raised("a2", "c2", severity="critical"))
        desk.clock.advance(1)
        await desk.courier.work()
        in_the_quiet = [rows[0].alert_id for _, rows in desk.outbox.taken]
        desk.clock.advance(3_600)
        await desk.courier.work()

        assert in_the_quiet == ["a2"]
        assert [rows[0].alert_id for _, rows in desk.outbox.taken] == ["a2", "a1"]

    run(database_url, world)


BODIES: list[tuple[str, dict[str, Any]]] = [
    ("assignment-rules", {"name": "gold", "assignees": ["a"], "match": {"tiers": ["gold"]}}),
    ("escalation-policies", {"name": "x", "steps": [{"after_minutes": 5}]}),
    (
        "calendars",
        {"name": "x", "time_zone": "Asia/Shanghai", "hours": {"monday": [{"start": "09:00", "end": "18:00"}]}},
    ),
]


WEBHOOK: tuple[str, dict[str, Any]] = ("webhooks", {"name": "x", "kind": "webhook", "url": "https://127.0.0.1/"})


@pytest.mark.parametrize(("path", "body"), [*BODIES, WEBHOOK])
def test_making_something_twice_under_one_idempotency_key_makes_it_once(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    answers = [api.post(f"/v1/{path}", body, **{"Idempotency-Key": f"make {path}"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(api.get(f"/v1/{path}")["items"]) == 1


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_a_policy_is_kept_changed_and_removed(api: Api, path: str, body: dict[str, Any]) -> None:
    made = api.post(f"/v1/{path}", body).json()
    with api.client() as client:
        changed = client.put(f"/v1/{path}/{made['id']}", json=body | {"name": "other"}).json()
        listed = client.get(f"/v1/{path}").json()["items"]
        removed = client.delete(f"/v1/{path}/{made['id']}").status_code
        gone = client.get(f"/v1/{path}/{made['id']}").status_code

    assert (changed["name"], changed["created_at"]) == ("other", made["created_at"])
    assert [item["id"] for item in listed] == [made["id"]]
    assert (removed, gone) == (204, 404)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("calendars", BODIES[2][1] | {"time_zone": "Mars/X"}, "/time_zone"),
        ("routing-rules", {"name": "x", "endpoint_ids": ["ep_none"]}, "/endpoint_ids/0"),
        ("escalation-policies", {"name": "x", "calendar_id": "cal_none"}, "/calendar_id"),
        ("assignment-rules", {"name": "x", "assignees": []}, "/assignees"),
    ],
)
def test_a_policy_without_sense_is_refused(api: Api, path: str, body: dict[str, Any], pointer: str) -> None:
    answer = api.post(f"/v1/{path}", body)

    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)


def test_a_running_service_follows_its_policies(api: Api) -> None:
    api.post("/v1/assignment-rules", {"name": "all", "assignees": ["li.na"]})
    api.publish("churn.alerts", raised("a1"))

    eventually(lambda: api.rows("SELECT FROM alerts WHERE assignee = 'li.na'"))
