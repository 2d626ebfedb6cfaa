"""The secrets of notification endpoints stand sealed in PostgreSQL and nowhere else, the version before's too."""

import ipaddress
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import standardwebhooks
from prometheus_client import CollectorRegistry

from services.api.app import build_app
from services.api.auth.guard import Guard
from services.api.metrics import ApiMetrics
from services.api.notification.address import AddressGuard
from services.api.notification.clockwork import SealingClockwork
from services.api.notification.courier import Courier
from services.api.notification.routes import notification_routes
from services.api.notification.send import Sender
from services.api.notification.sign import new_signing_secret
from services.api.vault import Vault
from shared.clock import SystemClock
from shared.connection.seal import SecretsKey
from shared.postgres.api_keys import insert_key, new_key
from shared.postgres.pool import Pool, make_pool, reading
from tests.fakes.clock import FakeClock
from tests.integration.api.test_courier import queue, told
from tests.integration.api.test_notifications import receiving
from tests.stored import tables_that_hold

pytestmark = pytest.mark.integration

OLD, NEW = b"o" * 32, b"n" * 32
HOOK = {"name": "crm", "kind": "webhook", "url": "http://127.0.0.1:9/hook"}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with make_pool(database_url) as opened:
        yield opened


class Deployment:
    """What of the API works on endpoints, under some keys or none."""

    def __init__(self, pool: Pool, console: Path, keys: Sequence[bytes]) -> None:
        clock, metrics = SystemClock(), ApiMetrics(CollectorRegistry())
        guard = AddressGuard([ipaddress.ip_network("127.0.0.0/8")])
        self.vault = Vault(SecretsKey(keys) if keys else None)
        self.sender = Sender(guard, self.vault, clock)
        self.courier = Courier(pool, self.sender, metrics, clock, random.Random(1))
        routes = notification_routes(
            pool, Guard(pool, clock, rate_per_s=1e6, rate_burst=1_000_000), guard, self.vault, self.sender, clock
        )
        self.app = build_app([routes], [], console_dir=console, metrics=metrics, clock=clock, lifespan=_nothing)
        self._pool = pool

    async def seal(self, hours_later: float) -> int:
        clock = FakeClock(SystemClock().now() + timedelta(hours=hours_later))
        return await SealingClockwork(self._pool, self.vault, clock).work(self.vault.head or b"")


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def deployed(pool: Pool, folder: Path, *keys: bytes) -> AsyncIterator[tuple[Deployment, httpx2.AsyncClient]]:
    """A deployment and an admin's client of its routes."""
    deployment, key = Deployment(pool, folder, keys), new_key()
    async with reading(pool) as connection:
        await insert_key(connection, key, name=f"admin {key[:12]}", role="admin")
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(deployment.app),
        base_url="http://api",
        headers={"Authorization": f"Bearer {key}"},
    )
    async with client:
        yield deployment, client
    await deployment.sender.stop()


async def made(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", json=HOOK | fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def of_the_version_before(pool: Pool, url: str, secret: str) -> None:
    """Make an endpoint with a message to tell, as the version before wrote it."""
    await queue(pool, "ep_old", url, 1)
    async with reading(pool) as connection:
        await connection.execute("UPDATE notification_endpoints SET secret = $1", secret)


async def tell_again(pool: Pool) -> None:
    async with reading(pool) as connection:
        await connection.execute("UPDATE notification_jobs SET status = 'pending', run_at = now()")


def check(secret: str, requests: Sequence[tuple[dict[str, str], str]]) -> None:
    for headers, content in requests:
        standardwebhooks.Webhook(secret).verify(content, headers)


async def test_no_table_holds_a_secret_made_chosen_or_changed(
    pool: Pool, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen, changed, bots = new_signing_secret(), new_signing_secret(), "SECofTheBot"
    async with deployed(pool, tmp_path, NEW) as (_, client):
        first = await client.post("/v1/webhooks", json=HOOK, headers={"Idempotency-Key": "k"})
        own = await made(client, secret=chosen)
        (await client.patch(f"/v1/webhooks/{own['id']}", json={"secret": changed})).raise_for_status()
        await made(client, kind="dingtalk", secret=bots)
        shown = (await client.get("/v1/webhooks")).text

    secrets = [first.json()["secret"], chosen, changed, bots]
    parts = [secret.removeprefix("whsec_") for secret in secrets]
    assert {part: await tables_that_hold(database_url, part) for part in parts} == {part: [] for part in parts}
    assert not any(part in shown + caplog.text for part in parts)


async def test_an_answer_given_again_tells_the_same_secret(pool: Pool, tmp_path: Path) -> None:
    async with deployed(pool, tmp_path, NEW) as (_, client):
        first, again = [
            await client.post("/v1/webhooks", json=HOOK, headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]

    assert (again.status_code, again.content, again.headers["idempotent-replay"]) == (201, first.content, "true")


async def test_a_sealed_secret_signs(pool: Pool, tmp_path: Path) -> None:
    with receiving() as receiver:
        async with deployed(pool, tmp_path, NEW) as (_, client):
            endpoint = await made(client, url=receiver.url)
            (await client.post(f"/v1/webhooks/{endpoint['id']}/test")).raise_for_status()

    assert len(receiver.requests) == 1
    check(endpoint["secret"], receiver.requests)


async def test_without_a_key_no_secret_is_taken_and_bots_without_one_are(
    pool: Pool, database_url: str, tmp_path: Path
) -> None:
    async with deployed(pool, tmp_path) as (_, client):
        refused = await client.post("/v1/webhooks", json=HOOK | {"secret": new_signing_secret()})
        bot = await made(client, kind="slack")
        changed = await client.patch(f"/v1/webhooks/{bot['id']}", json={"secret": "whatever"})

    assert (refused.status_code, changed.status_code) == (409, 409)
    assert "PULSELINE_SECRETS_KEY_FILE" in refused.json()["detail"]
    assert await tables_that_hold(database_url, "whsec_") == []


@pytest.mark.parametrize("keys", [[], [NEW]])
async def test_a_secret_of_the_version_before_still_signs(pool: Pool, tmp_path: Path, keys: list[bytes]) -> None:
    secret = new_signing_secret()
    with receiving() as receiver:
        await of_the_version_before(pool, receiver.url, secret)
        async with deployed(pool, tmp_path, *keys) as (deployment, _):
            await deployment.courier.work()

    assert len(receiver.requests) == 1
    check(secret, receiver.requests)


async def test_a_secret_of_the_version_before_is_left_to_it_and_then_sealed(
    pool: Pool, database_url: str, tmp_path: Path
) -> None:
    secret = new_signing_secret()
    with receiving() as receiver:
        await of_the_version_before(pool, receiver.url, secret)
        async with deployed(pool, tmp_path, NEW) as (deployment, _):
            n_at_once = await deployment.seal(hours_later=0.5)
            left_in = await tables_that_hold(database_url, secret)
            n_later = await deployment.seal(hours_later=1.1)
            await deployment.courier.work()

    assert (n_at_once, left_in, n_later) == (0, ["notification_endpoints"], 1)
    assert await tables_that_hold(database_url, secret) == []
    assert len(receiver.requests) == 1
    check(secret, receiver.requests)


async def test_a_secret_that_the_version_before_set_since_takes_the_sealed_ones_place(
    pool: Pool, tmp_path: Path
) -> None:
    newer = new_signing_secret()
    with receiving() as receiver:
        async with deployed(pool, tmp_path, NEW) as (deployment, client):
            await made(client, url=receiver.url)
            await of_the_version_before(pool, receiver.url, newer)
            await deployment.courier.work()
            await deployment.seal(hours_later=1.1)
            await tell_again(pool)
            await deployment.courier.work()

    assert len(receiver.requests) == 2
    check(newer, receiver.requests)


async def test_an_answer_the_version_before_kept_is_sealed(pool: Pool, database_url: str, tmp_path: Path) -> None:
    async with deployed(pool, tmp_path, NEW) as (deployment, client):
        first = await client.post("/v1/webhooks", json=HOOK, headers={"Idempotency-Key": "k"})
        async with reading(pool) as connection:
            await connection.execute("UPDATE idempotency_keys SET body = $1, is_sealed = false", first.content)
        held = await tables_that_hold(database_url, first.json()["secret"])
        n_sealed = await deployment.seal(hours_later=1.1)
        again = await client.post("/v1/webhooks", json=HOOK, headers={"Idempotency-Key": "k"})

    assert (held, n_sealed, again.content) == (["idempotency_keys"], 1, first.content)
    assert await tables_that_hold(database_url, first.json()["secret"]) == []


async def test_a_replaced_key_may_be_taken_out_once_secrets_are_sealed_again(pool: Pool, tmp_path: Path) -> None:
    with receiving() as receiver:
        async with deployed(pool, tmp_path, OLD) as (_, client):
            endpoint = await made(client, url=receiver.url)
        async with deployed(pool, tmp_path, NEW, OLD) as (both, _):
            n_sealed = [await both.seal(hours_later=0), await both.seal(hours_later=0)]
        async with deployed(pool, tmp_path, NEW) as (_, client):
            (await client.post(f"/v1/webhooks/{endpoint['id']}/test")).raise_for_status()

    assert (n_sealed, len(receiver.requests)) == ([1, 0], 1)
    check(endpoint["secret"], receiver.requests)


async def test_with_a_lost_key_nothing_is_sent_unsigned_and_the_reason_is_told(pool: Pool, tmp_path: Path) -> None:
    with receiving() as receiver:
        async with deployed(pool, tmp_path, OLD) as (_, client):
            endpoint = await made(client, url=receiver.url)
        await queue(pool, "ep_2", receiver.url, 1)
        async with reading(pool) as connection:
            await connection.execute("UPDATE notification_jobs SET endpoint_id = $1", endpoint["id"])
        async with deployed(pool, tmp_path, NEW) as (deployment, _):
            n_sealed = await deployment.seal(hours_later=2)
            await deployment.courier.work()

    assert (n_sealed, receiver.requests) == (0, [])
    reason = "the endpoint's secret cannot be read: sealed under a key that is not in the key file"
    assert await told(pool) == {endpoint["id"]: ("pending", 1, reason)}
