"""Ports, the log, and the list of commands."""

import asyncio
import io
import socket
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.cli.journal import Journal
from services.cli.main import build
from services.cli.state_folder import StateFolder
from services.cli.status import ProcessStatus, Status, in_words
from services.cli.supervisor import Plan, Supervisor
from services.cli.up import choose_ports

NOTHING_ASKED: dict[str, int | None] = dict.fromkeys(
    ("api", "ingest", "sentiment", "churn_alerts", "kafka", "postgres")
)


def test_a_port_that_was_asked_for_and_is_taken_is_refused() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]

        with pytest.raises(typer.BadParameter, match=f"port {port} for kafka is in use"):
            choose_ports({**NOTHING_ASKED, "kafka": port}, unused=set())


def test_the_port_of_a_server_of_ones_own_is_not_looked_at() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]

        ports, _ = choose_ports({**NOTHING_ASKED, "kafka": port}, unused={"kafka"})

    assert ports["kafka"] == port


def test_every_process_gets_a_port_of_its_own() -> None:
    ports, _ = choose_ports(NOTHING_ASKED, unused=set())

    assert len(set(ports.values())) == len(NOTHING_ASKED)


def test_log_lines_stand_under_their_process_and_keys_stay_off_the_file(tmp_path: Path) -> None:
    terminal, file = io.StringIO(), tmp_path / "all.log"
    journal = Journal(file, terminal)

    journal.write("ingest", "ready")
    journal.tell("secret")
    journal.close()

    assert file.read_text() == "ingest       | ready\n"
    assert terminal.getvalue() == "ingest       | ready\nsecret\n"


def test_a_terminal_that_is_gone_does_not_stop_the_log(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    journal = Journal(tmp_path / "all.log", Gone())

    journal.write("api", "one")
    journal.write("api", "two")
    journal.close()

    assert len((tmp_path / "all.log").read_text().splitlines()) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_disk_costs_lines_of_the_log_and_nothing_else() -> None:
    terminal = io.StringIO()

    with closing(Journal(Path("/dev/full"), terminal)) as journal:
        journal.write("kafka", "has ended")
        journal.say("starting it again")

    assert terminal.getvalue().splitlines() == ["kafka        | has ended", "starting it again"]


def test_a_log_that_can_be_written_again_tells_how_many_lines_it_lacks(tmp_path: Path) -> None:
    file, in_the_way = tmp_path / "all.log", tmp_path / "all.log.1"
    with file.open("wb") as long:
        long.truncate(21 * 1024 * 1024)
    in_the_way.mkdir()

    with closing(Journal(file, io.StringIO())) as journal:
        journal.write("api", "one")
        journal.write("api", "two")
        in_the_way.rmdir()
        journal.write("api", "three")

    assert file.read_text("utf-8").splitlines() == [
        "",
        "pulseline    | lines lost, for they could not be written: 2",
        "api          | three",
    ]
    assert in_the_way.stat().st_size == 21 * 1024 * 1024


def test_a_terminal_may_show_the_supervisors_own_lines_alone(tmp_path: Path) -> None:
    terminal = io.StringIO()

    with closing(Journal(tmp_path / "all.log", terminal, shows_processes=False)) as journal:
        journal.write("api", "listening")
        journal.say("everything is ready")

    assert terminal.getvalue() == "everything is ready\n"
    assert "listening" in (tmp_path / "all.log").read_text("utf-8")


def test_a_supervisor_goes_on_where_it_cannot_write_what_runs(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.prepare()
    (tmp_path / "run.json").mkdir()
    terminal = io.StringIO()
    ports = {"api": 1, "ingest": 2, "sentiment": 3, "churn_alerts": 4}
    plan = Plan(ports=ports, kafka="127.0.0.1:1", database="postgresql://nobody@127.0.0.1:1/none")

    with closing(Journal(folder.log, terminal)) as journal:
        status = asyncio.run(Supervisor(folder, plan, journal).run(1))

    assert status == 1
    assert "cannot start: " in terminal.getvalue()
    assert "run.json" not in terminal.getvalue()
    assert terminal.getvalue().endswith("stopped; nothing is left running\n")


def test_help_names_every_command_without_importing_one() -> None:
    shown = CliRunner().invoke(build(None), ["--help"]).output

    for name in ("up", "down", "status", "prepare", "import", "classify", "sentiment", "backtest", "replay", "demo"):
        assert name in shown


def test_a_run_that_became_ready_is_not_ready_while_a_process_of_it_is_not() -> None:
    def told(phase: str, **health: str) -> str:
        processes = [
            ProcessStatus(name=name, pid=1, address="", health=one, detail="", restarts=0, is_external=False)
            for name, one in health.items()
        ]
        return in_words(Status(is_running=True, phase=phase, started_at="", processes=processes))

    assert told("ready", kafka="ready", api="ready") == "ready"
    assert told("ready", kafka="unready", ingest="ready", api="down") == "not ready: kafka, api"
    assert told("starting", kafka="ready", api="down") == "starting"


def test_status_of_an_idle_folder_exits_with_3(tmp_path: Path) -> None:
    shown = CliRunner().invoke(build("status"), ["status", "--state-dir", str(tmp_path), "--json"])

    assert shown.exit_code == 3
    assert '"is_running": false' in shown.output
