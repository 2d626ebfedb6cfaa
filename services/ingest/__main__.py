"""`python -m services.ingest`: serves the ingest endpoints until SIGTERM."""

import uvicorn
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from services.ingest.bootstrap import build
from services.ingest.settings import IngestSettings
from shared.clock import SystemClock
from shared.logs import configure_logging
from shared.settings import refuse_unknown


def main() -> None:
    refuse_unknown([IngestSettings])
    settings = IngestSettings()
    configure_logging("ingest", settings.log_level, settings.log_format)
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    uvicorn.run(
        build(settings, registry, SystemClock()),
        host=settings.ingest_host,
        port=settings.ingest_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
