"""Writes what is generated below deploy/: Prometheus's rules and Grafana's dashboards. `python -m deploy.generate`."""

from pathlib import Path

import yaml

from deploy.prometheus.rules import rule_file
from deploy.prometheus.timing import IN_EARNEST, Timing

HERE = Path(__file__).parent
_NOTE = "# Generated from deploy/prometheus/rules.py by `python -m deploy.generate`; edit there.\n"


def rules_text(timing: Timing = IN_EARNEST) -> str:
    """Return the rule file as YAML."""
    return _NOTE + yaml.safe_dump(rule_file(timing), allow_unicode=True, sort_keys=False, width=120)


def files() -> dict[Path, str]:
    """Return every generated file with its content."""
    return {HERE / "prometheus" / "rules" / "pulseline.yml": rules_text()}


def main() -> None:
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


if __name__ == "__main__":
    main()
