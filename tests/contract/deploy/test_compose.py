"""docker-compose.yml against the compose specification, by Docker Compose's own loader, and against our own wishes."""

import inspect
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus.rules import ALERTS, MEMORY_MIB
from services.cli.supervisor import SERVICES as UP
from services.cli.supervisor import Supervisor

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES = {"ingest", "sentiment", "churn_alerts", "api"}


@pytest.fixture(scope="session")
def composecheck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The specification's own loader, built from deploy/compose-check."""
    go = shutil.which("go")
    if go is None:
        message = "no Go on this machine to build the compose specification's loader"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    source = tmp_path_factory.mktemp("composecheck")
    for file in (ROOT / "deploy" / "compose-check").iterdir():
        shutil.copy(file, source)
    subprocess.run([go, "build", "-o", "composecheck", "."], cwd=source, check=True, timeout=280)
    return source / "composecheck"


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_the_compose_file_keeps_to_the_specification(composecheck: Path) -> None:
    loaded = subprocess.run([composecheck, COMPOSE], capture_output=True, text=True, check=False)

    assert loaded.stderr == ""
    assert set(loaded.stdout.split()) >= SERVICES


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_an_unknown_key_is_refused(composecheck: Path, tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text("utf-8").replace("restart: unless-stopped", "restrat: always"), "utf-8")

    loaded = subprocess.run([composecheck, broken], capture_output=True, text=True, check=False)

    assert "restrat" in loaded.stderr


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return loaded


@pytest.mark.parametrize("name", sorted(set(services()) - {"prepare"}))
def test_every_lasting_container_has_a_health_check_a_limit_and_a_restart_policy(name: str) -> None:
    container = services()[name]

    assert container["healthcheck"]["test"]
    assert {"cpus", "memory"} <= set(container["deploy"]["resources"]["limits"])
    assert container["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(services()))
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    published = services()[name].get("ports", [])

    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", sorted(SERVICES | {"prepare"}))
def test_services_cannot_write_their_image_or_gain_rights(name: str) -> None:
    container = services()[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in container["security_opt"]


def test_no_password_stands_in_the_compose_file() -> None:
    environments = [container.get("environment", {}) for container in services().values()]

    secret_names = [
        name for environment in environments for name in environment if "PASSWORD" in name and "FILE" not in name
    ]

    assert secret_names == []


def test_services_get_the_settings_that_up_gives_them() -> None:
    given = set(re.findall(r"\bPULSELINE_[A-Z_]+\b", inspect.getsource(Supervisor._launch_services)))
    image = set(re.findall(r"\bPULSELINE_[A-Z_]+(?==)", (ROOT / "deploy" / "Dockerfile").read_text("utf-8")))

    for name in SERVICES:
        # One Pulseline has the broker to itself: its topics need no prefix.
        assert given - {"PULSELINE_TOPIC_PREFIX"} <= set(services()[name]["environment"]) | image, name


def test_the_processes_are_those_of_up() -> None:
    assert {name for name, one in services().items() if one["image"].startswith("pulseline:")} == {*UP, "prepare"}
    assert {"kafka", "postgres"} <= set(services())


def test_memory_limits_are_those_the_alert_knows() -> None:
    limits = {name: services()[name]["deploy"]["resources"]["limits"]["memory"] for name in SERVICES}

    assert {name: _mib(limit) for name, limit in limits.items()} == MEMORY_MIB


def _mib(limit: str) -> int:
    return int(limit[:-1]) * (1024 if limit.endswith("g") else 1)


def test_every_folder_that_is_mounted_is_there() -> None:
    mounts = [mount for container in services().values() for mount in container.get("volumes", [])]

    assert [mount for mount in mounts if mount.startswith("./") and not (ROOT / mount.split(":")[0]).is_dir()] == []


def test_amtool_takes_the_alertmanager_example() -> None:
    """Debian's prometheus-alertmanager has amtool, as its prometheus has promtool."""
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("no amtool on this machine")
    example = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"

    ran = subprocess.run([amtool, "check-config", example], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr


def test_alerts_that_alertmanager_names_exist() -> None:
    example = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text("utf-8")
    known = {alert.name for alert in ALERTS}

    named = set(re.findall(r"Pulseline[A-Za-z]+", example)) - {"PulselineSloBurn"}

    assert named <= known


def test_promtool_takes_the_configuration_with_its_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine")
    configuration = ROOT / "deploy" / "prometheus" / "prometheus.yml"

    ran = subprocess.run([promtool, "check", "config", configuration], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "rules found" in ran.stdout
