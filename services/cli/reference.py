"""Writes docs/reference from the code: contracts, settings, metrics. `make docs` runs it; a test finds drift."""

import inspect
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from prometheus_client import CollectorRegistry
from pydantic_core import PydanticUndefined

from services.api.bootstrap import openapi
from shared.contracts.documents import documents, render
from shared.kafka.metrics import WorkerMetrics
from shared.process_metrics import ProcessMetrics
from shared.settings import PREFIX, ServiceSettings

SERVICES = ("ingest", "sentiment", "churn_alerts", "api")


def pages() -> dict[str, bytes]:
    """Return every generated file by its name below docs/reference."""
    generated = {name: render(document) for name, document in documents().items()}
    generated["openapi-api.json"] = render(openapi())
    return {**generated, "settings.md": settings_page().encode(), "metrics.md": metrics_page().encode()}


def settings_page() -> str:
    """Return the table of every setting of every service."""
    lines = [
        "# Settings",
        "",
        (
            "Generated from the code by `make docs`. Every setting is an environment variable; a misspelt one "
            "stops the service at start."
        ),
    ]
    tables = [("All services", ServiceSettings, frozenset[str]())]
    tables += [(f"services/{name}", _settings(name), frozenset(ServiceSettings.model_fields)) for name in SERVICES]
    for title, settings, known in tables:
        lines += ["", f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
        for name, field in settings.model_fields.items():
            if name not in known:
                default = "" if field.default in (None, PydanticUndefined) else str(field.default)
                shown = f"`{_portable(default)}`" if default else ""
                lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Return the table of every metric of every service."""
    lines = ["# Metrics", "", "Generated from the code by `make docs`. Each service serves its own at `/metrics`."]
    header = ["", "| metric | type | labels | meaning |", "|---|---|---|---|"]
    lines += ["", "## Every service's process", *header, *sorted(map(_metric_row, process_metrics()))]
    for name in SERVICES:
        lines += ["", f"## services/{name}", *header, *sorted(map(_metric_row, service_metrics(name)))]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class DeclaredMetric:
    """A metric as the code declares it; `name` as it is queried, without a histogram's suffixes."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def service_metrics(service: str) -> list[DeclaredMetric]:
    """Return every metric that a service declares."""
    registry = CollectorRegistry()
    module = import_module(f"services.{service}.metrics")
    for metrics in _own_classes(module, suffix="Metrics"):
        metrics(registry)
    if service in ("sentiment", "churn_alerts"):
        WorkerMetrics(registry, service)
    return _declared(registry)


def process_metrics() -> list[DeclaredMetric]:
    """Return what every service tells of its process, prometheus_client's own apart."""
    registry = CollectorRegistry()
    ProcessMetrics(registry, Path())
    return _declared(registry)


def _declared(registry: CollectorRegistry) -> list[DeclaredMetric]:
    declared = []
    for collector in list(registry._collector_to_names):
        described = next(iter(collector.collect()))
        suffix = {"counter": "_total", "info": "_info"}.get(described.type, "")
        labels = tuple(getattr(collector, "_labelnames", ()))
        declared.append(DeclaredMetric(described.name + suffix, described.type, labels, described.documentation))
    return declared


def _metric_row(metric: DeclaredMetric) -> str:
    return f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.meaning} |"


def _settings(service: str) -> type[ServiceSettings]:
    [settings] = [
        found
        for found in _own_classes(import_module(f"services.{service}.settings"), suffix="Settings")
        if issubclass(found, ServiceSettings)
    ]
    return settings


def _own_classes(module: ModuleType, suffix: str) -> list[type]:
    return [
        found
        for name, found in inspect.getmembers(module, inspect.isclass)
        if name.endswith(suffix) and found.__module__ == module.__name__
    ]


def _portable(default: str) -> str:
    """Return a default without the folder this checkout happens to stand in."""
    return default.replace(str(Path(__file__).parents[2]) + "/", "")


def main(folder: Path) -> None:
    for name, content in pages().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
