"""Builds the ingest service from its settings; the one place that reads them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.ingest.access.door import Door
from services.ingest.access.keys import KeyRing
from services.ingest.app import build_app
from services.ingest.channel import CHANNELS
from services.ingest.connection.amazon import AmazonSns
from services.ingest.connection.book import ConnectionBook
from services.ingest.connection.figures import Figures
from services.ingest.connection.mail import MailDoors
from services.ingest.connection.routes import ChannelDoor, PublicAddress, channel_routes
from services.ingest.connection.segment import SegmentDoor, segment_routes
from services.ingest.event.body import OpenBodies
from services.ingest.event.routes import event_routes
from services.ingest.event.send import EventSender
from services.ingest.identity.agent import HandleFollower
from services.ingest.identity.table import HandleTable
from services.ingest.metrics import IngestMetrics
from services.ingest.settings import IngestSettings
from shared.background import endless
from shared.clock import Clock
from shared.connection.document import load_connections
from shared.connection.seal import SecretsKey
from shared.errors import Unavailable
from shared.health import health_routes
from shared.kafka.publisher import Publisher
from shared.postgres import connections as connection_rows
from shared.postgres.api_keys import ApiKeyRow, load_active_keys
from shared.postgres.pool import make_pool, patiently, with_password_file
from shared.proxies import TrustedProxies
from shared.rate import RateLimit
from shared.tracing import TracedRequests, make_tracing

_RECONNECT_S = 1.0


async def connect(publisher: Publisher) -> None:
    """Connect as soon as a broker answers, so that the service may start first."""
    while not publisher.is_connected:
        try:
            await publisher.start()
        except Unavailable:
            await asyncio.sleep(_RECONNECT_S)


def build(
    settings: IngestSettings, registry: CollectorRegistry, clock: Clock, amazon: AmazonSns | None = None
) -> FastAPI:
    """Return the ready-to-serve application; `amazon` stands in for what fetches from Amazon SNS."""
    amazon = amazon or AmazonSns(clock)
    metrics = IngestMetrics(registry)
    database_url = with_password_file(settings.database_url.get_secret_value(), settings.database_password_file)
    pool = make_pool(database_url, max_size=2)

    async def load_keys() -> Sequence[ApiKeyRow]:
        async with patiently(pool) as connection:
            return await load_active_keys(connection)

    keys = KeyRing(load_keys, settings.state_dir / "ingest" / "keys.json", clock, settings.ingest_key_refresh_s)
    metrics.keys.set_function(lambda: len(keys))
    tracing = make_tracing("ingest", settings.traces_endpoint, settings.traces_ratio)
    publisher = Publisher(
        settings.kafka_bootstrap, client_id="pulseline-ingest", delivery_timeout_s=settings.ingest_ack_timeout_s
    )
    known_handles = HandleTable()
    follower = HandleFollower(known_handles, settings.kafka_bootstrap, settings.topic_prefix, metrics)
    sender = EventSender(publisher, settings.topic_prefix, metrics, clock)
    door = Door(keys, RateLimit(settings.ingest_events_per_s, settings.ingest_events_burst), metrics, clock)
    from_file = load_connections(settings.connections_file, frozenset(CHANNELS)) if settings.connections_file else {}
    secrets_key = SecretsKey.from_file(settings.secrets_key_file) if settings.secrets_key_file else None

    async def load_rows() -> Sequence[connection_rows.ConnectionRow]:
        async with patiently(pool) as connection:
            return await connection_rows.load_connections(connection)

    async def begin_figures() -> dict[str, datetime]:
        async with patiently(pool) as connection:
            await connection_rows.replace_file_connections(connection, book.told())
            return await connection_rows.last_received(connection)

    async def write_figures(rows: Sequence[connection_rows.FiguresRow]) -> None:
        async with patiently(pool) as connection:
            await connection_rows.add_figures(connection, rows)

    refresh_s = settings.ingest_connection_refresh_s
    snapshot = settings.state_dir / "ingest" / "connections.json"
    book = ConnectionBook(from_file, secrets_key, load_rows, snapshot, clock, refresh_s)
    figures = Figures(metrics, book.is_gone)
    metrics.expect(from_file)
    address = PublicAddress(settings.ingest_public_url, TrustedProxies.parse(settings.ingest_trusted_proxies))
    mail = MailDoors(book, sender, known_handles, figures, metrics, clock, settings.state_dir)
    bodies = OpenBodies(settings.ingest_open_bodies_mb * 1024 * 1024, metrics)
    channel_door = ChannelDoor(
        book, secrets_key, figures, amazon, sender, bodies, address, known_handles, metrics, clock
    )

    async def keys_are_known() -> str | None:
        return None if len(keys) else "no API key is known; PostgreSQL must answer once"

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        keys.restore()
        book.restore()
        async with pool, mail.open():
            background = [
                asyncio.create_task(endless(name, work), name=name)
                for name, work in (
                    ("keys", keys.keep_fresh()),
                    ("connections", book.keep_fresh()),
                    ("figures", figures.keep_written(begin_figures, write_figures, refresh_s)),
                    ("first contact with Kafka", connect(publisher)),
                    ("identities", follower.run()),
                )
            ]
            try:
                yield
            finally:
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                await figures.write_last(write_figures)
                await amazon.stop()
                await publisher.stop()
                if tracing is not None:
                    await asyncio.to_thread(tracing.close)

    routes = [
        *event_routes(sender, door, bodies, known_handles, metrics, clock),
        *channel_routes(channel_door, metrics, clock),
        *segment_routes(SegmentDoor(book, channel_door, door, sender, known_handles), metrics, clock),
        *health_routes({"kafka": publisher.check, "api_keys": keys_are_known, "identities": follower.check}, registry),
    ]
    app = build_app(routes, lifespan)
    if tracing is not None:
        app.add_middleware(TracedRequests, tracing=tracing)
    return app
