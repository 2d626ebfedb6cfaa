"""The dashboards against Grafana's form, our own metrics, and promtool's reading of every query."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.generate import files
from deploy.grafana.dashboards import DASHBOARDS
from deploy.grafana.panel import COLUMNS, Dashboard, Panel
from deploy.prometheus.rules import rule_file
from services.cli.reference import SERVICES, process_metrics, service_metrics

ROOT = Path(__file__).parents[3]
DOCUMENTS = {path: json.loads(text) for path, text in files().items() if path.suffix == ".json"}
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
# Of prometheus_client's own collectors, of Prometheus itself, and of our recording rules.
FOREIGN = {"up", "ALERTS", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"}


def known_metrics() -> set[str]:
    names = set(FOREIGN)
    for metric in [one for service in SERVICES for one in service_metrics(service)] + process_metrics():
        suffixes = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        names |= {metric.name + suffix for suffix in suffixes}
    return names | {rule["record"] for group in rule_file()["groups"] for rule in group["rules"] if "record" in rule}


def metrics_of(expression: str) -> set[str]:
    return set(re.findall(r"\b(pulseline[_:][a-z0-9_:]+|process_[a-z_]+|up(?=\{)|ALERTS)", expression))


def runnable(expression: str) -> str:
    return re.sub(r"\$(connection|processor)", ".*", expression.replace("$__rate_interval", "1m"))


def test_uids_are_unique_and_stable() -> None:
    uids = [document["uid"] for document in DOCUMENTS.values()]

    assert len(uids) == len(set(uids)) == 2 * len(DASHBOARDS)
    assert all(re.fullmatch(r"pulseline-[a-z-]{1,40}-(en|zh)", uid) for uid in uids)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_panels_stand_on_the_grid_without_overlap(path: Path) -> None:
    places = [panel["gridPos"] for panel in DOCUMENTS[path]["panels"]]

    assert all(place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS for place in places)
    assert not [pair for pair in combinations(places, 2) if _overlap(*pair)]


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_panel_has_a_title_a_unit_a_description_and_its_own_id(path: Path) -> None:
    document: dict[str, Any] = DOCUMENTS[path]
    panels = [panel for panel in document["panels"] if panel["type"] != "row"]

    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    assert all(panel["title"] and panel["description"] for panel in panels)
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in panels)
    assert len({panel["title"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_titles_differ_between_the_languages(dashboard: Dashboard) -> None:
    words = [dashboard.title, *(panel.title for panel in dashboard.panels), *(panel.help for panel in dashboard.panels)]

    assert [one.en for one in words if one.en == one.zh and one.en != "CPU"] == []
    assert all(re.search("[一-龥]", one.zh) for one in words if one.zh != "CPU")


def panel_id(value: Any) -> str:
    return value.name if isinstance(value, Dashboard) else value.title.en


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=panel_id)
def test_every_query_asks_for_metrics_that_the_code_has(dashboard: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        assert metrics_of(query.expression)
        assert metrics_of(query.expression) <= known_metrics()


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=panel_id)
def test_every_runbook_that_a_panel_links_to_exists(dashboard: Dashboard, panel: Panel) -> None:
    assert not panel.runbook or (ROOT / "docs" / "runbooks" / f"{panel.runbook}.md").exists()


def test_every_alert_rule_asks_for_metrics_that_the_code_has() -> None:
    rules = [rule for group in rule_file()["groups"] for rule in group["rules"]]

    asked = set().union(*(metrics_of(rule["expr"]) for rule in rules))

    assert asked <= known_metrics()


def test_every_metric_is_looked_at_by_a_panel_or_a_rule() -> None:
    rules = [rule["expr"] for group in rule_file()["groups"] for rule in group["rules"]]
    asked = metrics_of(" ".join([*rules, *(query.expression for _, panel in PANELS for query in panel.queries)]))
    looked_at = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}

    declared = {metric.name for service in SERVICES for metric in service_metrics(service)}

    # Totals of which a share or a rate by label is shown.
    assert declared - looked_at == {
        "pulseline_api_alert_events_total",
        "pulseline_api_projection_rejects_total",
        "pulseline_churn_alerts_decided_model_version",
        "pulseline_churn_alerts_model_version",
        "pulseline_churn_alerts_models_published_total",
        "pulseline_churn_alerts_rules_published_total",
        "pulseline_churn_alerts_rules_version",
        "pulseline_churn_alerts_updated_total",
        "pulseline_ingest_api_keys",
        "pulseline_ingest_known_handles",
        "pulseline_sentiment_model_info",
        "pulseline_worker_batches_total",
        "pulseline_worker_outputs_total",
        "pulseline_worker_state_rows_written_total",
    }


def test_promtool_parses_every_query(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine")
    queries = [runnable(query.expression) for _, panel in PANELS for query in panel.queries]
    rules = [{"record": f"panel:query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")

    ran = subprocess.run([promtool, "check", "rules", tmp_path / "queries.yml"], capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    assert f"{len(queries)} rules found" in ran.stdout
