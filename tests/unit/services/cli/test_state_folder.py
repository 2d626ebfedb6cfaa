"""One supervisor a folder; secrets are the owner's alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.endpoint import EndpointFile
from services.cli.state_folder import AlreadyRunningError, RunRecord, StateFolder


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    made = StateFolder(tmp_path / "state")
    made.prepare()
    return made


RUN = RunRecord(supervisor_pid=7, started_at="2026-01-01T00:00:00+00:00", phase="ready", processes=[])


def test_a_second_supervisor_is_refused(folder: StateFolder) -> None:
    with folder.held(), pytest.raises(AlreadyRunningError), folder.held():
        pass


def test_what_runs_is_told_while_the_folder_is_held_and_not_after(folder: StateFolder) -> None:
    before = folder.running()
    with folder.held():
        folder.write_run(RUN)
        during = folder.running()

    assert (before, during, folder.running()) == (None, RUN, None)


def test_a_killed_supervisor_holds_nothing(folder: StateFolder) -> None:
    code = (
        "import os, sys; from pathlib import Path; from services.cli.state_folder import *\n"
        "folder = StateFolder(Path(sys.argv[1]))\n"
        "with folder.held():\n"
        "    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, folder.root], check=False, cwd=Path(__file__).parents[4])

    with folder.held():
        pass
    assert not folder.is_held()


def test_what_a_killed_supervisor_ran_is_not_taken_for_the_next_ones(folder: StateFolder) -> None:
    folder.write_run(RUN)

    with folder.held():
        assert folder.running() is None


def test_secrets_are_readable_by_their_owner_alone(folder: StateFolder) -> None:
    password = folder.database_password()
    folder.write_endpoint(EndpointFile(ingest_url="http://i", console_url="http://c", api_key="k"))

    modes = [path.stat().st_mode & 0o777 for path in (password, folder.root / "endpoint.json", folder.logs)]

    assert modes == [0o600, 0o600, 0o700]


def test_the_password_stays_the_same(folder: StateFolder) -> None:
    first = folder.database_password().read_text()

    assert len(first) >= 32
    assert StateFolder(folder.root).database_password().read_text() == first


def test_an_unreadable_endpoint_is_as_good_as_none(folder: StateFolder) -> None:
    (folder.root / "endpoint.json").write_text("{")

    assert folder.endpoint() is None
