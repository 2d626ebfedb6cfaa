"""`python -m services.sentiment`: judges interactions until SIGTERM."""

from services.sentiment.bootstrap import build
from services.sentiment.settings import SentimentSettings
from shared import event_loop
from shared.clock import SystemClock
from shared.health import process_registry, serve_health_beside
from shared.logs import configure_logging
from shared.settings import start_settings


async def run(settings: SentimentSettings) -> None:
    registry = process_registry(settings.state_dir)
    worker = build(settings, registry, SystemClock())
    host, port = settings.sentiment_host, settings.sentiment_port
    await serve_health_beside(worker.run(), host, port, worker.checks(), registry)


def main() -> None:
    settings = start_settings(SentimentSettings)
    configure_logging("sentiment", settings.log_level, settings.log_format)
    event_loop.run(run(settings))


if __name__ == "__main__":
    main()
