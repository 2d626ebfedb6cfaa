"""`python -m services.ingest`: serves the ingest endpoints until SIGTERM."""

import sys

import uvicorn

from services.ingest.bootstrap import build
from services.ingest.settings import IngestSettings
from shared.clock import SystemClock
from shared.connection.document import ConnectionsError
from shared.health import process_registry
from shared.http_protocol import BoundedHeadProtocol
from shared.logs import configure_logging
from shared.settings import start_settings


def main() -> None:
    settings = start_settings(IngestSettings)
    configure_logging("ingest", settings.log_level, settings.log_format)
    try:
        app = build(settings, process_registry(settings.state_dir), SystemClock())
    except ConnectionsError as error:
        sys.exit(f"cannot start: {error}")
    uvicorn.run(
        app,
        host=settings.ingest_host,
        port=settings.ingest_port,
        http=BoundedHeadProtocol,
        log_config=None,
        access_log=False,
        # uvicorn would believe whoever calls from loopback; PULSELINE_INGEST_TRUSTED_PROXIES says who is believed.
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
