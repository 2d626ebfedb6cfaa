"""Kafka Streams as a peer: its jars, its compiled program and the command that runs it. Needs a JDK, 17 or newer."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from shared.embedded.jars import class_path

_PEERS: Final = Path(__file__).resolve().parents[1] / "peers"
_LOCK: Final = _PEERS / "kafka_streams.lock.toml"
_NAME: Final = "KafkaStreamsApp"


def has_jdk() -> bool:
    return shutil.which("javac") is not None


def compile_into(folder: Path) -> None:
    """Compile the program into `folder`."""
    javac = ["javac", "-d", str(folder), "-cp", _class_path(), str(_PEERS / f"{_NAME}.java")]
    subprocess.run(javac, check=True)


def command(folder: Path) -> list[str]:
    """Return the command that runs the program compiled into `folder`; its five arguments follow."""
    return ["java", "-Xmx512m", "-cp", os.pathsep.join((str(folder), _class_path())), _NAME]


def _class_path() -> str:
    return os.pathsep.join((class_path(), class_path(lock=_LOCK)))
