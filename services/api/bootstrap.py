"""Builds the API service from its settings; the one place that reads them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.api.alert.clockwork import AlertClockwork
from services.api.alert.routes import alert_routes
from services.api.alert.stream import AlertFeed
from services.api.app import build_app
from services.api.auth.guard import Guard
from services.api.auth.routes import auth_routes
from services.api.census.agent import CensusTaker
from services.api.connection.routes import connection_routes
from services.api.connection.send import ConnectionTester
from services.api.customer.routes import customer_routes
from services.api.dead_letter.replay import Replayer
from services.api.dead_letter.routes import dead_letter_routes
from services.api.identity.routes import identity_routes
from services.api.identity.send import IdentitySender
from services.api.interaction.explain import Explainer
from services.api.interaction.routes import explanation_routes, interaction_routes
from services.api.kpi import buyers, served
from services.api.kpi.clockwork import SummaryClockwork
from services.api.kpi.routes import kpi_routes
from services.api.metrics import ApiMetrics
from services.api.notification.address import AddressGuard
from services.api.notification.clockwork import SealingClockwork
from services.api.notification.courier import Courier
from services.api.notification.routes import notification_routes
from services.api.notification.send import Sender, SmtpMailer
from services.api.policy.clockwork import PolicyClockwork
from services.api.policy.hours import DayOverrides, Overrides
from services.api.policy.routes import policy_routes
from services.api.presence.routes import presence_routes
from services.api.projection.agent import ProjectionLane
from services.api.projection.poison import PoisonLetters
from services.api.projection.retention import Retention
from services.api.risk.routes import risk_routes
from services.api.segment.routes import segment_routes
from services.api.settings import ApiSettings
from services.api.vault import Vault
from shared.background import endless
from shared.clock import Clock, SystemClock
from shared.connection.seal import SecretsKey
from shared.health import health_routes
from shared.kafka.publisher import Publisher
from shared.postgres.pool import make_pool, with_password_file
from shared.proxies import TrustedProxies
from shared.topics import CHURN_ALERTS, CHURN_RISK, DEAD_LETTERS, ENRICHED
from shared.tracing import make_tracing

# The bulk lane may wait a little to gather a batch; an alert may not.
_BULK_WAIT_MS = 100
_ALERT_WAIT_MS = 30


class Service:
    """The application and the handle that makes its endless answers end."""

    def __init__(self, app: FastAPI, feed: AlertFeed) -> None:
        self.app = app
        self._feed = feed

    def close_streams(self) -> None:
        """End open streams; a server that is asked to stop would wait for them for ever."""
        self._feed.close()


def build(settings: ApiSettings, registry: CollectorRegistry, clock: Clock) -> Service:
    """Return the ready-to-serve service."""
    metrics = ApiMetrics(registry)
    database_url = with_password_file(settings.database_url.get_secret_value(), settings.database_password_file)
    pool = make_pool(database_url, max_size=settings.api_pool_size)
    publisher = Publisher(settings.kafka_bootstrap, client_id="pulseline-api")
    guard = Guard(
        pool,
        clock,
        rate_per_s=settings.api_rate_per_s,
        rate_burst=settings.api_rate_burst,
        proxies=TrustedProxies.parse(settings.api_trusted_proxies),
    )
    feed = AlertFeed(pool, database_url, metrics, max_clients=settings.api_stream_clients)
    clockwork = AlertClockwork(pool, clock, expires_after=timedelta(days=settings.api_alert_expiry_days))
    policies = PolicyClockwork(pool, clock, _day_overrides(settings.api_working_days_file))
    networks = [ip_network(text.strip()) for text in settings.api_allowed_networks.split(",") if text.strip()]
    addresses = AddressGuard(networks)
    secrets_key = SecretsKey.from_file(settings.secrets_key_file) if settings.secrets_key_file else None
    vault = Vault(secrets_key)
    sender = Sender(addresses, vault, clock, _mailer(settings, clock))
    sealing = SealingClockwork(pool, vault, clock)
    # Chance only spreads retries, so that receivers are not hit by all at once.
    courier = Courier(pool, sender, metrics, clock, random.Random())  # noqa: S311
    buyers_clockwork = SummaryClockwork(
        pool, clock, buyers.advance, rest=2, claim=lambda connection: buyers.claim(connection, settings.api_time_zone)
    )
    # Every message changes it, few ask: a tenth of the time at work leaves the rest to the messages themselves.
    served_clockwork = SummaryClockwork(pool, clock, served.advance, rest=9)
    retention = Retention(pool, clock, settings.api_retention_months)
    tester = ConnectionTester(secrets_key, clock) if secrets_key else None
    census = CensusTaker(pool, metrics, clock, settings.api_census_every_s)
    metrics.pool_size.set(settings.api_pool_size)
    metrics.pool_connections.labels("used").set_function(lambda: pool.size - pool.n_idle)
    metrics.pool_connections.labels("idle").set_function(lambda: pool.n_idle)
    poison = PoisonLetters(publisher, settings.topic_prefix)

    tracing = make_tracing("api", settings.traces_endpoint, settings.traces_ratio)

    def lane(name: str, *topics: Any, max_wait_ms: int, is_durable: bool) -> ProjectionLane:
        return ProjectionLane(
            name,
            [topic.full_name(settings.topic_prefix) for topic in topics],
            database_url=database_url,
            bootstrap=settings.kafka_bootstrap,
            poison=poison,
            metrics=metrics,
            clock=clock,
            max_wait_ms=max_wait_ms,
            is_durable=is_durable,
            max_records=settings.api_max_batch_records,
            is_searchable=settings.api_text_search,
            holdout_ratio=settings.api_holdout_ratio,
            tracing=tracing,
        )

    bulk = lane("interactions", ENRICHED, CHURN_RISK, max_wait_ms=_BULK_WAIT_MS, is_durable=False)
    alerts = lane("alerts", CHURN_ALERTS, DEAD_LETTERS, max_wait_ms=_ALERT_WAIT_MS, is_durable=True)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with pool:
            background = [
                asyncio.create_task(endless(name, work()), name=name)
                for name, work in (
                    ("projection of interactions", bulk.run),
                    ("projection of alerts", alerts.run),
                    ("alert feed", feed.run),
                    ("alert clockwork", clockwork.run),
                    ("policies", policies.run),
                    ("notifications", courier.run),
                    ("sealing of secrets", sealing.run),
                    ("retention", retention.run),
                    ("summary of buyers", buyers_clockwork.run),
                    ("summary of how customers were served", served_clockwork.run),
                    ("key usage", guard.keep_last_used),
                    ("open streams", guard.end_unwelcome),
                    ("census", census.run),
                )
            ]
            try:
                yield
            finally:
                feed.close()
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)
                await sender.stop()
                if tester is not None:
                    await tester.stop()
                await publisher.stop()
                if tracing is not None:
                    await asyncio.to_thread(tracing.close)

    checks = {
        "postgresql": feed.check,
        "projection_interactions": bulk.check,
        "projection_alerts": alerts.check,
    }
    app = build_app(
        [
            auth_routes(
                pool,
                guard,
                clock,
                session_hours=settings.api_session_hours,
                is_cookie_secure=settings.api_cookie_secure,
            ),
            customer_routes(pool, guard, clock),
            segment_routes(pool, guard, clock),
            identity_routes(pool, guard, IdentitySender(publisher, settings.topic_prefix), clock),
            # Before the alerts' own routes, which take any further word for an alert's id.
            risk_routes(pool, guard, clock),
            kpi_routes(pool, guard, clock, settings.api_time_zone),
            interaction_routes(pool, guard, clock),
            policy_routes(pool, guard, clock),
            explanation_routes(guard, Explainer(settings.sentiment_model)),
            notification_routes(pool, guard, addresses, vault, sender, clock),
            connection_routes(
                pool,
                guard,
                vault,
                tester,
                public_url=settings.ingest_public_url or f"http://127.0.0.1:{settings.ingest_port}",
                connections_file=settings.connections_file,
            ),
            dead_letter_routes(pool, guard, Replayer(publisher), clock),
            presence_routes(pool, guard, clock),
            alert_routes(
                pool,
                guard,
                feed,
                clock,
                settings.api_time_zone,
                heartbeat_s=settings.api_heartbeat_s,
                stall_s=settings.api_stream_stall_s,
            ),
        ],
        health_routes(checks, registry),
        console_dir=settings.api_console_dir,
        metrics=metrics,
        clock=clock,
        lifespan=lifespan,
    )
    return Service(app, feed)


def openapi() -> dict[str, Any]:
    """Return the service's OpenAPI document without starting anything; for the reference pages."""
    return build(ApiSettings(), CollectorRegistry(), SystemClock()).app.openapi()


def _mailer(settings: ApiSettings, clock: Clock) -> SmtpMailer | None:
    if not settings.api_smtp_host:
        return None
    password = settings.api_smtp_password
    return SmtpMailer(
        settings.api_smtp_host,
        settings.api_smtp_port,
        settings.api_smtp_sender,
        settings.api_smtp_user,
        None if password is None else password.get_secret_value(),
        clock,
    )


def _day_overrides(path: Path | None) -> Overrides:
    return {} if path is None else msgspec.yaml.decode(path.read_bytes(), type=dict[str, DayOverrides])
