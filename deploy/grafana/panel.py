"""Grafana's dashboard JSON from a few words: what a panel asks, how it is drawn, where it stands.

Grafana itself is not at hand where tests run: they check the JSON and every query (docs/operations/dashboards.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
COLUMNS = 24
SCHEMA_VERSION = 41
SOURCE = {"type": "prometheus", "uid": "prometheus"}


@dataclass(frozen=True, slots=True)
class Words:
    """A text in both languages."""

    en: str
    zh: str

    def of(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and how its series are named; `legend` may use labels, {{service}}."""

    expression: str
    legend: Words | str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on the colour changes."""

    value: float
    colour: Literal["green", "yellow", "orange", "red"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `unit` is Grafana's name of it; `runbook` the alert whose page tells what to do."""

    kind: Literal["stat", "timeseries", "bargauge", "table", "gauge"]
    title: Words
    unit: str
    queries: Sequence[Query]
    help: Words
    width: int = 8
    height: int = 8
    steps: Sequence[Step] = ()
    runbook: str = ""
    is_stacked: bool = False
    decimals: int | None = None
    most: float | None = None
    below: Literal["green", "red"] = "green"
    """The colour below the first step."""


@dataclass(frozen=True, slots=True)
class Row:
    title: Words
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice of label values, all of them at first."""

    name: str
    title: Words
    metric: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    name: str
    title: Words
    rows: Sequence[Row]
    variables: Sequence[Variable] = field(default=())

    def uid(self, language: Language) -> str:
        return f"pulseline-{self.name}-{language}"

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row.panels]


def document(dashboard: Dashboard, language: Language, runbooks: str) -> dict[str, Any]:
    """Return the dashboard as Grafana reads it, panels placed from left to right, row after row."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in dashboard.rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title.of(language),
                "collapsed": False,
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
                "panels": [],
            }
        )
        y += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel, language, runbooks)})
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return {
        "uid": dashboard.uid(language),
        "title": dashboard.title.of(language),
        "tags": ["pulseline", f"pulseline-{language}"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "timezone": "browser",
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "title": "Pulseline",
                "tags": [f"pulseline-{language}"],
                "asDropdown": True,
                "keepTime": True,
                "includeVars": False,
            }
        ],
        "templating": {"list": [_variable(variable, language) for variable in dashboard.variables]},
        "annotations": {"list": [_alert_annotations(language)]},
        "panels": panels,
    }


def _panel(panel: Panel, language: Language, runbooks: str) -> dict[str, Any]:
    runbook = {"en": "What to do", "zh": "处理手册"}[language]
    steps: list[dict[str, Any]] = [{"color": panel.below if panel.steps else "blue", "value": None}]
    steps += [{"color": step.colour, "value": step.value} for step in panel.steps]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}, "min": 0}
    if panel.unit in ("percentunit", "s") and panel.kind == "timeseries":
        # A gap between predicted and happened has a sign.
        defaults.pop("min")
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 60 if panel.is_stacked else 8,
            "showPoints": "never",
            "spanNulls": 60_000,
            "stacking": {"mode": "normal" if panel.is_stacked else "none"},
            "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
        }
    return {
        "type": panel.kind,
        "title": panel.title.of(language),
        "description": panel.help.of(language),
        "datasource": SOURCE,
        "links": [{"title": runbook, "url": f"{runbooks}/{panel.runbook}.md", "targetBlank": True}]
        if panel.runbook
        else [],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend if isinstance(query.legend, str) else query.legend.of(language),
                "editorMode": "code",
                "range": panel.kind == "timeseries",
                "instant": panel.kind != "timeseries",
                **({"format": "table"} if panel.kind == "table" else {}),
            }
            for number, query in enumerate(panel.queries)
        ],
    }


def _options(panel: Panel) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if panel.kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    if panel.kind == "bargauge":
        return {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic"}
    if panel.kind == "gauge":
        return {"reduceOptions": last, "showThresholdMarkers": True}
    return {"reduceOptions": last, "colorMode": "value", "graphMode": "area", "textMode": "auto"}


def _variable(variable: Variable, language: Language) -> dict[str, Any]:
    query = f"label_values({variable.metric}, {variable.name})"
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.title.of(language),
        "datasource": SOURCE,
        "query": {"query": query, "refId": variable.name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _alert_annotations(language: Language) -> dict[str, Any]:
    return {
        "name": {"en": "Alerts", "zh": "告警"}[language],
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing", alertname=~"Pulseline.*", alertname!="PulselineWatchdog"}',
        "titleFormat": "{{alertname}}",
        "step": "30s",
    }
