"""Writes what is generated below deploy/: Prometheus's rules and Grafana's dashboards. `python -m deploy.generate`."""

import json
from pathlib import Path

import yaml

from deploy.grafana.dashboards import DASHBOARDS, RUNBOOKS
from deploy.grafana.panel import LANGUAGES, document
from deploy.prometheus.rules import rule_file
from deploy.prometheus.timing import IN_EARNEST, Timing

HERE = Path(__file__).parent
_NOTE = "# Generated from deploy/prometheus/rules.py by `python -m deploy.generate`; edit there.\n"


def rules_text(timing: Timing = IN_EARNEST) -> str:
    """Return the rule file as YAML."""
    return _NOTE + yaml.safe_dump(rule_file(timing), allow_unicode=True, sort_keys=False, width=120)


def files() -> dict[Path, str]:
    """Return every generated file with its content."""
    generated = {HERE / "prometheus" / "rules" / "pulseline.yml": rules_text()}
    for language in LANGUAGES:
        for dashboard in DASHBOARDS:
            shown = json.dumps(document(dashboard, language, RUNBOOKS), ensure_ascii=False, indent=1) + "\n"
            generated[HERE / "grafana" / "dashboards" / language / f"{dashboard.name}.json"] = shown
    return generated


def main() -> None:
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


if __name__ == "__main__":
    main()
