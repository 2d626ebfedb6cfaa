"""The alert rules on made-up time series, by promtool: each fires on its fault, and not before or after it."""

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.generate import files, rules_text
from deploy.prometheus.rules import ALERTS, rule_file
from deploy.prometheus.slo import OBJECTIVES
from deploy.prometheus.timing import DRILL, IN_EARNEST, Timing

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ("## What it means", "## Look at first", "## Do", "## How to see that it is over")


@dataclass(frozen=True)
class Case:
    """Series in promtool's notation; `fires` and `quiet` are instants at which the rule does and does not fire."""

    alert: str
    series: dict[str, str]
    fires: tuple[str, ...]
    quiet: tuple[str, ...]
    step: str = "1m"
    every: str = "1m"
    labels: dict[str, str] = field(default_factory=dict)


def worker(name: str, labels: str = "") -> str:
    return f'pulseline_worker_{name}{{processor="sentiment"{"," if labels else ""}{labels}}}'


def api(name: str, labels: str = "") -> str:
    return f"pulseline_api_{name}{{{labels}}}"


EVENTS = 'pulseline_ingest_connection_events_total{connection="shop",outcome="%s"}'
CASES = (
    Case("PulselineWatchdog", {"up": "1x5"}, ("0m", "5m"), ()),
    Case(
        "PulselineServiceDown",
        {'up{job="pulseline",service="api"}': "1x4 0x4 1x4"},
        ("7m",),
        ("4m", "10m"),
    ),
    Case(
        "PulselineServiceRestarting",
        {'process_start_time_seconds{job="pulseline",service="api"}': "1 1 2 2 3 3 4 4x90"},
        ("8m",),
        ("3m", "80m"),
    ),
    Case("PulselineProcessorStopped", {worker("records_total"): "0+60x10 600x15 600+60x20"}, ("20m",), ("9m", "40m")),
    Case("PulselineLagHigh", {worker("lag_seconds", 'partition="3"'): "0x5 30x5 90x5 0x5"}, ("14m",), ("9m", "18m")),
    Case(
        "PulselineKafkaUnreachable",
        {worker("lag_measured_timestamp_seconds"): "1+60x5 301x5 661+60x5"},
        ("9m",),
        ("4m", "14m"),
    ),
    Case(
        "PulselineTickerSilent",
        {worker("watermark_timestamp_seconds", 'partition="0"'): "1+60x5 301x5 661+60x5"},
        ("9m",),
        ("4m", "14m"),
    ),
    Case("PulselineRecoverySlow", {worker("recovery_ratio", 'partition="0"'): "0.4x10 1x5"}, ("8m",), ("3m", "13m")),
    Case("PulselineRebalancing", {worker("rebalances_total"): "1x5 2 3 4 5 6 7 8 9 9x30"}, ("14m",), ("5m", "40m")),
    Case(
        "PulselinePoisonShare",
        {worker("records_total"): "0+100x60", worker("dead_letters_total", 'kind="rejected"'): "0x5 2+4x10 42x45"},
        ("14m",),
        ("4m", "40m"),
    ),
    Case(
        "PulselineDeadLettersOpen",
        {api("dead_letters_open", 'stage="sentiment"'): "0x5 3x90 0x5"},
        ("80m",),
        ("30m", "99m"),
    ),
    Case(
        "PulselineProjectionBehind",
        {api("projection_lag_seconds", 'lane="alerts"'): "0x5 90x5 0x5"},
        ("9m",),
        ("4m", "14m"),
    ),
    Case(
        "PulselineDatabaseUnreachable",
        {api("projection_retries_total", 'dependency="postgresql"'): "0x5 1 2 3 4 4x20"},
        ("9m",),
        ("4m", "20m"),
    ),
    Case(
        "PulselinePoolExhausted",
        {
            api("pool_connections", 'instance="a",state="used"'): "2x5 10x5 1x5",
            api("pool_max_connections", 'instance="a"'): "10x20",
        },
        ("9m",),
        ("4m", "14m"),
    ),
    Case(
        "PulselinePostgresConnections",
        {api("postgres_connections", 'state="active"'): "10x5 90x9 10x5", api("postgres_max_connections"): "100x20"},
        ("12m",),
        ("4m", "18m"),
    ),
    Case(
        "PulselineConnectionSilent",
        {
            EVENTS % "accepted": "0+10x24 240x10 240+10x30",
            'pulseline_ingest_connection_last_seen_timestamp_seconds{connection="shop"}': "1x70",
        },
        ("32h",),
        ("20h", "27h", "40h"),
        step="1h",
        every="10m",
    ),
    Case(
        "PulselineConnectionRefused",
        {EVENTS % "accepted": "0+2x60", EVENTS % "signature": "0x10 0+3x10 30x40"},
        ("20m",),
        ("9m", "50m"),
    ),
    Case(
        "PulselineNoAlertsForADay",
        {
            'pulseline_churn_alerts_raised_total{severity="high",cause="price"}': "0+1x48 48x30 48+1x10",
            'pulseline_ingest_events_accepted_total{type="interaction"}': "0+100x100",
        },
        ("74h",),
        ("47h", "60h", "82h"),
        step="1h",
        every="1h",
    ),
    Case("PulselineAlertsUntouched", {api("alert_untouched_seconds"): "3600x5 90000x5 0x5"}, ("9m",), ("4m", "14m")),
    Case(
        "PulselineCalibrationDrift",
        {
            api("calibration_customers", 'of="customers"'): "1000x200",
            api("calibration_predicted_customers", 'of="customers"'): "500x200",
            api("calibration_left_customers", 'of="customers"'): "520x10 650x90 510x100",
        },
        ("90m",),
        ("9m", "60m", "110m"),
    ),
    Case(
        "PulselineRefitOverdue",
        {'pulseline_worker_control_in_force_timestamp_seconds{processor="p",name="churn"}': "1x37 3196800x5"},
        ("36d",),
        ("34d", "38d"),
        step="1d",
        every="6h",
    ),
    Case(
        "PulselineEndpointFailing",
        {api("notification_failing_seconds"): "0x5 600x5 1200x5 0x5"},
        ("14m",),
        ("9m", "19m"),
    ),
    Case(
        "PulselineEndpointDisabled",
        {api("notification_endpoints", 'kind="slack",state="disabled"'): "0x5 1x5 0x5"},
        ("9m",),
        ("4m", "14m"),
    ),
    Case("PulselineNotificationsLate", {api("notification_queue_seconds"): "0x5 900x5 0x5"}, ("9m",), ("4m", "14m")),
    Case(
        "PulselineSloBurnFast",
        {
            'pulseline_ingest_requests_total{door="events",status="202"}': "0+100x200",
            'pulseline_ingest_requests_total{door="events",status="503"}': "0x20 0+30x60 1800x120",
        },
        ("70m",),
        ("19m", "120m"),
    ),
    Case(
        "PulselineSloBurnSlow",
        {
            'pulseline_api_requests_total{method="GET",status="200"}': "0+100x200",
            'pulseline_api_requests_total{method="GET",status="500"}': "0x20 0+1x60 60x120",
        },
        ("70h",),
        ("19h", "175h"),
        step="1h",
        every="1h",
    ),
    Case(
        "PulselineDiskFilling",
        {
            'pulseline_process_disk_free_bytes{service="api"}': "50x10 5x10 50x20",
            'pulseline_process_disk_size_bytes{service="api"}': "100x60",
        },
        ("17m",),
        ("9m",),
    ),
    Case(
        "PulselineMemoryHigh",
        {'process_resident_memory_bytes{job="pulseline",service="api"}': "500000000x5 760000000x9 500000000x5"},
        ("12m",),
        ("4m", "18m"),
    ),
)


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on this machine")
    return found


def unit_test(case: Case) -> dict[str, Any]:
    query = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    expected = [(at, [{"labels": "{}", "value": 1}]) for at in case.fires] + [(at, []) for at in case.quiet]
    return {
        "interval": case.step,
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": samples} for at, samples in expected],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_the_rule_fires_on_its_fault_and_clears(promtool: str, tmp_path: Path, case: Case) -> None:
    (tmp_path / "rules.yml").write_text(rules_text(), "utf-8")
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": case.every,
        # Without it promtool takes the groups in any order, and alerts tried before an hour's recordings see none.
        "group_eval_order": ["pulseline-recording", "pulseline-alerts"],
        "tests": [unit_test(case)],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(document), "utf-8")

    ran = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_rule_is_tried() -> None:
    assert {case.alert for case in CASES} == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_generated_files_are_those_of_the_code(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path]


def test_a_drill_changes_numbers_of_time_and_nothing_else() -> None:
    def without_times(timing: Timing) -> list[str]:
        rules = [rule for group in rule_file(timing)["groups"] for rule in group["rules"]]
        return [re.sub(r"\b\d+[smhd]\b|> \d+$", "TIME", rule["expr"]) for rule in rules]

    assert without_times(DRILL) == without_times(IN_EARNEST)


def test_promtool_takes_the_rules(promtool: str) -> None:
    rules = ROOT / "deploy" / "prometheus" / "rules" / "pulseline.yml"

    ran = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_rule_has_a_runbook_and_both_languages(alert: Any) -> None:
    page = (RUNBOOKS / f"{alert.name}.md").read_text("utf-8")

    assert page.startswith(f"# {alert.name}\n")
    assert all(page.count(heading) == 1 for heading in HEADINGS)
    assert any("一" <= character <= "龥" for character in alert.summary_zh)
    assert alert.description_en
    assert alert.description_zh


def test_every_runbook_has_a_rule() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("Pulseline*.md")}

    assert pages == {alert.name for alert in ALERTS}


def test_objectives_leave_a_budget() -> None:
    assert all(0.9 < objective.target < 1 for objective in OBJECTIVES)
