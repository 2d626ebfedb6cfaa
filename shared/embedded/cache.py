"""The per-user cache folder, and folders in it that are made once, whole or not at all, however many processes ask."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_dir() -> Path:
    """Return where downloads are kept: PULSELINE_CACHE_DIR, else the user's cache folder."""
    if chosen := os.environ.get("PULSELINE_CACHE_DIR"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulseline"


def make_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Return `folder`, made by `fill(staging)` if absent; it appears complete and in one rename."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            fill(staging)
            staging.chmod(0o755)
            staging.rename(folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return folder
