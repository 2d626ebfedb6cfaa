"""`python -m services.api`: projects the topics and serves the API and the console until SIGTERM."""

import gc
from collections.abc import Callable
from types import FrameType

import uvicorn

from services.api.bootstrap import build
from services.api.settings import ApiSettings
from shared.clock import SystemClock
from shared.health import process_registry
from shared.http_protocol import BoundedHeadProtocol
from shared.logs import configure_logging
from shared.settings import start_settings


class StoppingServer(uvicorn.Server):
    """A server that ends the streams first when it is told to stop; it would wait for them otherwise."""

    def __init__(self, config: uvicorn.Config, close_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._close_streams = close_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._close_streams()
        super().handle_exit(sig, frame)


def calm_collector() -> None:
    """Look for cycles less often: a batch is tens of thousands of objects without any, and looking costs more than
    half of decoding it (measured: 11.4 against 3.9 µs a record)."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def main() -> None:
    settings = start_settings(ApiSettings)
    configure_logging("api", settings.log_level, settings.log_format)
    calm_collector()
    service = build(settings, process_registry(settings.state_dir), SystemClock())
    config = uvicorn.Config(
        service.app,
        host=settings.api_host,
        port=settings.api_port,
        http=BoundedHeadProtocol,
        log_config=None,
        access_log=False,
        # uvicorn would believe whoever calls from loopback; PULSELINE_API_TRUSTED_PROXIES says who is believed.
        proxy_headers=False,
        timeout_graceful_shutdown=3,
        backlog=4096,
    )
    server = StoppingServer(config, service.close_streams)
    server.run()


if __name__ == "__main__":
    main()
