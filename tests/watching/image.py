"""Starts the four services from a built image's root file system, and follows one complaint to its alert.

    container=$(buildah from pulseline:local)
    python -m tests.watching.image "$(buildah mount "$container")"

As docker-compose.yml runs them, without a container engine: as user 10001 in a root that cannot be written, with /tmp
and the state folder apart, against an embedded Kafka and PostgreSQL outside. Must be run by root, who may mount.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.embedded.process import free_ports
from tests.loopback import LOOPBACK
from tests.watching.watched import COMPLAINTS, complaint

SERVICES = ("ingest", "sentiment", "churn_alerts", "api")
_OWNER = "10001:10001"


@contextmanager
def read_only(image: Path, root: Path) -> Iterator[None]:
    """Show the image at `root`, as a container with `read_only` and `tmpfs: [/tmp]` shows it."""
    mounts = (
        ["mount", "--bind", str(image), str(root)],
        ["mount", "-o", "remount,bind,ro", str(root)],
        ["mount", "-t", "tmpfs", "tmpfs", str(root / "tmp")],
        ["mount", "-t", "tmpfs", "-o", "uid=10001,gid=10001", "tmpfs", str(root / "var/lib/pulseline")],
        ["mount", "-t", "proc", "proc", str(root / "proc")],
        ["mount", "--bind", "/dev", str(root / "dev")],
    )
    with ExitStack() as mounted:
        for command in mounts:
            subprocess.run(command, check=True)
            if "remount,bind,ro" not in command:
                mounted.callback(subprocess.run, ["umount", "--lazy", command[-1]], check=True)
        yield


def inside(root: Path, environment: Mapping[str, str], *arguments: str) -> list[str]:
    """Return the command that runs a module in the image, with nothing of this machine's environment."""
    path = "/opt/pulseline/bin:/usr/local/bin:/usr/bin:/bin"
    given = [f"{name}={value}" for name, value in {"PATH": path, **environment}.items()]
    return ["chroot", f"--userspec={_OWNER}", str(root), "env", "-i", *given, "python3", "-m", *arguments]


def wait_for(what: str, is_so: Callable[[], bool], timeout_s: float = 120.0) -> float:
    """Return the seconds it took."""
    began = time.monotonic()
    while True:
        try:
            if is_so():
                return time.monotonic() - began
        except httpx2.HTTPError:
            pass
        if time.monotonic() - began > timeout_s:
            raise TimeoutError(what)
        time.sleep(0.1)


def main() -> None:
    image = Path(sys.argv[1])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulseline-image-")))
        folder.chmod(0o711)
        kafka = stack.enter_context(EmbeddedKafka(folder / "kafka"))
        database = stack.enter_context(EmbeddedPostgres(folder / "postgres" / "data"))
        root = folder / "root"
        root.mkdir()
        stack.enter_context(read_only(image, root))
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        environment = {
            "PULSELINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "PULSELINE_PARTITIONS": "4",
            "PULSELINE_DATABASE_URL": database.url(),
            "PULSELINE_STATE_DIR": "/var/lib/pulseline",
            "PYTHONDONTWRITEBYTECODE": "1",
            **{f"PULSELINE_{name.upper()}_PORT": str(port) for name, port in ports.items()},
        }
        began = time.monotonic()
        prepared = subprocess.run(
            inside(root, environment, "services.cli.main", "prepare", "--admin-key"),
            check=True,
            capture_output=True,
            text=True,
        )
        key = next(word for word in prepared.stdout.split() if word.startswith("pl_"))
        print(f"prepared in {time.monotonic() - began:.1f} s")
        processes = {
            name: stack.enter_context(_running(inside(root, environment, f"services.{name}"), folder / f"{name}.log"))
            for name in SERVICES
        }
        for name, port in ports.items():
            url = f"http://127.0.0.1:{port}/readyz"
            took = wait_for(name, lambda url=url: httpx2.get(url, **LOOPBACK).status_code == 200)  # type: ignore[misc]
            print(f"{name} is ready {took:.1f} s later")
        now = datetime.now(UTC)
        complaints = [complaint(1, str(number), COMPLAINTS[0][0], now) for number in range(8)]
        headers = {"Authorization": f"Bearer {key}"}
        httpx2.post(
            f"http://127.0.0.1:{ports['ingest']}/v1/events", json=complaints, headers=headers, **LOOPBACK
        ).raise_for_status()
        alerts = f"http://127.0.0.1:{ports['api']}/v1/alerts?limit=1"
        took = wait_for("alert", lambda: bool(httpx2.get(alerts, headers=headers, **LOOPBACK).json()["items"]))
        print(f"an alert is there {took:.1f} s after eight complaints")
        for name, process in processes.items():
            status = Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines()
            shown = {line.split(":")[0]: line.split()[1:] for line in status if line.startswith(("Uid", "VmRSS"))}
            print(f"{name}: user {shown['Uid'][0]}, {int(shown['VmRSS'][0]) // 1024} MB resident")
        written = subprocess.run(
            ["chroot", f"--userspec={_OWNER}", str(root), "touch", "/opt/pulseline/x"], capture_output=True, check=False
        )
        print("the root cannot be written" if written.returncode else "THE ROOT CAN BE WRITTEN")


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        if process.wait(30) not in (0, -signal.SIGTERM):
            print(log.read_text("utf-8")[-3000:])


if __name__ == "__main__":
    main()
