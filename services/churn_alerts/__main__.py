"""`python -m services.churn_alerts`: watches customers until SIGTERM."""

from services.churn_alerts.bootstrap import build
from services.churn_alerts.settings import ChurnSettings
from shared import event_loop
from shared.clock import SystemClock
from shared.health import process_registry, serve_health_beside
from shared.logs import configure_logging
from shared.settings import start_settings


async def run(settings: ChurnSettings) -> None:
    registry = process_registry(settings.state_dir)
    service = build(settings, registry, SystemClock())
    host, port = settings.churn_alerts_host, settings.churn_alerts_port
    await serve_health_beside(service.run(), host, port, service.checks(), registry)


def main() -> None:
    settings = start_settings(ChurnSettings)
    configure_logging("churn_alerts", settings.log_level, settings.log_format)
    event_loop.run(run(settings))


if __name__ == "__main__":
    main()
