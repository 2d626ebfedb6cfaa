"""The folder `pulseline up` keeps everything in: data, secrets, logs, what runs, and the lock that says so."""

import base64
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from services.cli.endpoint import EndpointFile

DEFAULT = Path(".pulseline")
_LOCK_PATIENCE_S = 1.0


class AlreadyRunningError(RuntimeError):
    """Another supervisor holds the folder."""


class ProcessRecord(msgspec.Struct, kw_only=True):
    """One process of a running system. `pid` is None while it is down and for ones started elsewhere."""

    name: str
    kind: Literal["service", "kafka", "postgres", "supervisor"]
    address: str
    pid: int | None = None
    restarts: int = 0
    is_external: bool = False


class RunRecord(msgspec.Struct, kw_only=True):
    """What is running, rewritten at every change."""

    supervisor_pid: int
    started_at: str
    phase: Literal["starting", "ready", "stopping"]
    processes: list[ProcessRecord]
    topic_prefix: str = ""


class StateFolder:
    """Paths and small files below one folder; nothing here starts or stops anything."""

    def __init__(self, root: Path = DEFAULT) -> None:
        self.root = root.absolute()

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def services(self) -> Path:
        return self.root / "services"

    @property
    def simulator(self) -> Path:
        return self.root / "simulator"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def log(self) -> Path:
        return self.logs / "pulseline.log"

    @property
    def _run(self) -> Path:
        return self.root / "run.json"

    @property
    def _endpoint(self) -> Path:
        return self.root / "endpoint.json"

    @property
    def _password(self) -> Path:
        return self.root / "secrets" / "postgres-password"

    def prepare(self) -> None:
        """Make the folders, closed to others; the root lets pass, as PostgreSQL's own account must."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for folder in (self.kafka, self.services, self.logs, self._password.parent):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for one supervisor. Raises AlreadyRunningError; a crashed holder holds nothing."""
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        with (self.root / "lock").open("a+") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    # `status` and `down` look at the lock for an instant.
                    if time.monotonic() > deadline:
                        raise AlreadyRunningError from error
                    time.sleep(0.05)
            try:
                # A killed holder's record names a process that is another's by now: `down` would end that one.
                self._run.unlink(missing_ok=True)
                yield
            finally:
                self._run.unlink(missing_ok=True)

    def is_held(self) -> bool:
        """Tell whether a supervisor is running in this folder."""
        try:
            with (self.root / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def running(self) -> RunRecord | None:
        """Return what runs in this folder now, None when nothing does."""
        if not self.is_held():
            return None
        try:
            return msgspec.json.decode(self._run.read_bytes(), type=RunRecord)
        except FileNotFoundError:
            return None

    def write_run(self, record: RunRecord) -> None:
        _replace(self._run, msgspec.json.encode(record), mode=0o644)

    def database_password(self) -> Path:
        """Return the file with the embedded database's password, made on first use."""
        if not self._password.exists():
            _replace(self._password, secrets.token_urlsafe(24).encode(), mode=0o600)
        return self._password

    def secrets_key(self) -> Path:
        """Return the file with the key that secrets are sealed under, made on first use."""
        path = self._password.with_name("secrets-key")
        if not path.exists():
            _replace(path, base64.b64encode(secrets.token_bytes(32)), mode=0o600)
        return path

    def endpoint(self) -> EndpointFile | None:
        """Return the addresses and key of the last run here."""
        try:
            return msgspec.json.decode(self._endpoint.read_bytes(), type=EndpointFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_endpoint(self, endpoint: EndpointFile) -> None:
        _replace(self._endpoint, msgspec.json.encode(endpoint), mode=0o600)


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    # Never readable by others, not even for the instant between writing and a later chmod.
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    staged.replace(path)
