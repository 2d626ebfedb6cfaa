"""`python -m services.sentiment`: judges interactions until SIGTERM."""

import asyncio

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from services.sentiment.bootstrap import build
from services.sentiment.settings import SentimentSettings
from shared.clock import SystemClock
from shared.health import serve_health
from shared.logs import configure_logging
from shared.settings import refuse_unknown


async def run(settings: SentimentSettings) -> None:
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    worker = build(settings, registry, SystemClock())
    health = asyncio.create_task(
        serve_health(settings.sentiment_host, settings.sentiment_port, worker.checks(), registry)
    )
    try:
        await worker.run()
    finally:
        health.cancel()
        await asyncio.gather(health, return_exceptions=True)


def main() -> None:
    refuse_unknown([SentimentSettings])
    settings = SentimentSettings()
    configure_logging("sentiment", settings.log_level, settings.log_format)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
