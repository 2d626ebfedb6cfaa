"""`python -m services.churn_alerts`: watches customers until SIGTERM."""

import asyncio
import gc

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from services.churn_alerts.bootstrap import build
from services.churn_alerts.settings import ChurnSettings
from shared.clock import SystemClock
from shared.health import serve_health
from shared.logs import configure_logging
from shared.settings import refuse_unknown


async def run(settings: ChurnSettings) -> None:
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    service = build(settings, registry, SystemClock())
    health = asyncio.create_task(
        serve_health(settings.churn_alerts_host, settings.churn_alerts_port, service.checks(), registry)
    )
    try:
        await service.run()
    finally:
        health.cancel()
        await asyncio.gather(health, return_exceptions=True)


def main() -> None:
    refuse_unknown([ChurnSettings])
    settings = ChurnSettings()
    configure_logging("churn_alerts", settings.log_level, settings.log_format)
    # States are values without cycles; walking a hundred thousand of them for cycles costs more than the decisions.
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    asyncio.run(run(settings))


if __name__ == "__main__":
    main()
