"""What every service tells of its process beside what prometheus_client knows: its release, the disk it writes to."""

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Info


class ProcessMetrics:
    """Read at each scrape; `state_dir` need not exist yet."""

    def __init__(self, registry: CollectorRegistry, state_dir: Path) -> None:
        self._folder = state_dir
        self.build = Info("pulseline_process_build", "The release that runs.", registry=registry)
        self.build.info({"version": _version(), "python": platform.python_version()})
        free = Gauge(
            "pulseline_process_disk_free_bytes", "Free space on the disk of the state folder.", registry=registry
        )
        size = Gauge("pulseline_process_disk_size_bytes", "Size of the disk of the state folder.", registry=registry)
        free.set_function(lambda: self._usage()[1])
        size.set_function(lambda: self._usage()[0])

    def _usage(self) -> tuple[float, float]:
        folder = self._folder.absolute()
        while not folder.exists():
            folder = folder.parent
        usage = shutil.disk_usage(folder)
        return usage.total, usage.free


def _version() -> str:
    try:
        return version("pulseline")
    except PackageNotFoundError:
        return "unknown"
