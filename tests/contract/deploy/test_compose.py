"""docker-compose.yml against the compose specification, by Docker Compose's own loader, and against our own wishes."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus.rules import ALERTS, MEMORY_MIB
from services.api.settings import ApiSettings
from services.churn_alerts.settings import ChurnSettings
from services.cli.journal import Journal
from services.cli.state_folder import StateFolder
from services.cli.supervisor import SERVICES as UP
from services.cli.supervisor import Plan, Supervisor
from services.ingest.settings import IngestSettings
from services.sentiment.settings import SentimentSettings
from shared.settings import ServiceSettings, refuse_unknown

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


# One Pulseline has the broker to itself, so that its topics need no prefix; ports and folders are the image's own.
OF_THE_MACHINE = {
    *("PULSELINE_TOPIC_PREFIX", "PULSELINE_KAFKA_BOOTSTRAP", "PULSELINE_DATABASE_URL", "PULSELINE_STATE_DIR"),
    *("PULSELINE_DATABASE_PASSWORD_FILE", "PULSELINE_SECRETS_KEY_FILE"),
    *(f"PULSELINE_{name.upper()}_PORT" for name in SERVICES),
    # A terminal reads text, a log collector JSON.
    "PULSELINE_LOG_FORMAT",
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """What `pulseline up` starts each service with: arguments and settings."""
    seen: dict[str, tuple[list[str], dict[str, str]]] = {}

    class Recorded:
        async def keep_running(self, _backoff: object) -> None:
            """Start nothing."""

    def child(_self: Supervisor, name: str, arguments: list[str], env: dict[str, str]) -> Recorded:
        seen[name] = (arguments, env)
        return Recorded()

    async def launch() -> None:
        folder = StateFolder(tmp_path)
        folder.prepare()
        journal = Journal(folder.log)
        supervisor = Supervisor(folder, Plan(ports=dict.fromkeys(UP, 1)), journal)
        supervisor._launch_services("127.0.0.1:1", "postgresql://p:p@127.0.0.1:1/p")
        journal.close()

    monkeypatch.setattr(Supervisor, "_child", child)
    asyncio.run(launch())
    return seen


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_runs_as_up_runs_it(name: str, started: dict[str, tuple[list[str], dict[str, str]]]) -> None:
    arguments, given = started[name]
    container, image = services()[name], image_environment()

    settings = {**image, **{key: _without_choice(value) for key, value in container["environment"].items()}}

    # The image's entry point is `python3 -m`.
    assert ["-m", *container["command"]] == arguments
    assert given.keys() - {"PULSELINE_TOPIC_PREFIX", "PULSELINE_SECRETS_KEY_FILE"} <= settings.keys()
    same = given.keys() - OF_THE_MACHINE
    assert {key: settings[key] for key in same} == {key: given[key] for key in same}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_knows_every_setting_it_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_of: dict[str, type[ServiceSettings]] = {
        "ingest": IngestSettings, "sentiment": SentimentSettings, "churn_alerts": ChurnSettings, "api": ApiSettings,
    }  # fmt: skip
    given = {**image_environment(), **services()[name]["environment"]}
    for key in [key for key in os.environ if key.startswith("PULSELINE_")]:
        monkeypatch.delenv(key)
    for key, value in given.items():
        monkeypatch.setenv(key, _without_choice(str(value)))

    refuse_unknown([settings_of[name]])
    settings = settings_of[name]()

    assert settings.kafka_bootstrap == "kafka:9092"


@pytest.mark.parametrize("name", sorted(services()))
def test_a_secret_that_is_named_is_mounted(name: str) -> None:
    container = services()[name]
    environment = container.get("environment", {})
    named = {Path(value).name for key, value in environment.items() if key.endswith("_FILE")}

    # Every service has the environment of all; those without a key to seal with have no use for its file.
    assert named - {"secrets-key"} <= set(container.get("secrets", []))
    assert ("secrets-key" in container.get("secrets", [])) is (name in {"ingest", "api"})


def image_environment() -> dict[str, str]:
    return dict(
        re.findall(r"\b((?:PULSELINE_|PYTHON)[A-Z_]+)=(\S+)", (ROOT / "deploy" / "Dockerfile").read_text("utf-8"))
    )


def _without_choice(value: str) -> str:
    """Return what `${NAME:-default}` is while nobody chose."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


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
