"""Jars are named by the lock with their hashes, and a jar that differs is refused."""

from pathlib import Path

import pytest

from shared.embedded.cache import make_once
from shared.embedded.jars import Jar, JarError, java_version, locked_jars, verify


def test_the_lock_names_the_broker_and_every_jar_once_with_its_hash() -> None:
    jars = locked_jars()

    assert len({jar.file_name for jar in jars}) == len(jars) == 46
    assert {"kafka_2.13", "kafka-clients", "log4j-slf4j-impl"} <= {jar.artifact for jar in jars}
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


def test_a_jar_with_other_content_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a-1.jar"
    file.write_bytes(b"tampered")

    with pytest.raises(JarError, match=r"a-1\.jar has SHA-256"):
        verify(Jar("g", "a", "1", "0" * 64), file)


def test_no_file_is_no_java(tmp_path: Path) -> None:
    assert java_version(tmp_path / "java") is None


def test_a_cached_folder_is_filled_once(tmp_path: Path) -> None:
    fills: list[Path] = []

    def fill(staging: Path) -> None:
        fills.append(staging)
        (staging / "jar").touch()

    first, second = make_once(tmp_path / "made", fill), make_once(tmp_path / "made", fill)

    assert first == second == tmp_path / "made"
    assert len(fills) == 1


def test_a_fill_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(staging: Path) -> None:
        (staging / "half").touch()
        raise JarError("cut short")

    with pytest.raises(JarError):
        make_once(tmp_path / "made", fail)

    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
