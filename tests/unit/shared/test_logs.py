"""What a log line tells, in both styles."""

import json
import logging
from collections.abc import Iterator

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError

from shared.logs import JsonFormatter, TextFormatter, Unrepeated, configure_logging


def _record(**extra: object) -> logging.LogRecord:
    record = logging.makeLogRecord({"name": "ingest", "levelname": "WARNING", "msg": "refused"})
    vars(record).update(extra)
    return record


def test_json_carries_what_the_record_carries() -> None:
    line = json.loads(JsonFormatter("ingest").format(_record(reason="no key", n=2)))
    assert (line["message"], line["level"], line["reason"], line["n"]) == ("refused", "warning", "no key", 2)


def test_text_appends_what_the_record_carries() -> None:
    line = TextFormatter().format(_record(action="delivery_refused", reason="no key", n=2))
    assert line.endswith("WARNING ingest: refused reason=no key n=2")


def test_a_line_break_from_outside_starts_no_line_of_text() -> None:
    line = TextFormatter().format(_record(reason="no key\n12:00:00 ERROR forged"))
    assert "\n" not in line


@pytest.fixture
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_restored")
def test_a_coordinator_that_is_not_there_yet_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    client = logging.getLogger("aiokafka.consumer.group_coordinator")
    configure_logging("churn_alerts")

    client.error("Group Coordinator Request failed: %s", GroupCoordinatorNotAvailableError())
    client.error("Group Coordinator Request failed: %s", GroupAuthorizationFailedError())

    levels = [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()]
    assert levels == ["info", "error"]


def _said(logger: str, message: str, at_s: float) -> logging.LogRecord:
    return logging.makeLogRecord({"name": logger, "msg": message, "created": at_s})


def test_what_a_library_repeats_is_told_once_in_a_while_with_how_often() -> None:
    calm = Unrepeated()
    lines = [_said("aiokafka.conn", "no broker", 1_000 + n / 10) for n in range(201)]

    told = [line for line in lines if calm.filter(line)]

    assert [line.created for line in told] == [1_000, 1_010, 1_020]
    assert [vars(line).get("n_repeated") for line in told] == [None, 99, 99]


def test_other_words_and_our_own_are_told_each_time() -> None:
    calm = Unrepeated()
    lines = [
        _said("aiokafka", "no broker", 1),
        _said("aiokafka", "no node 2", 1),
        _said("aiokafka.conn", "no broker", 1),
    ]
    lines += [_said("services.ingest", "refused", 1), _said("services.ingest", "refused", 1)]

    assert all([calm.filter(line) for line in lines])  # noqa: C419 - each is asked


def test_a_clock_set_back_silences_nobody() -> None:
    calm = Unrepeated()

    assert calm.filter(_said("aiokafka", "no broker", 5_000))
    assert calm.filter(_said("aiokafka", "no broker", 1_000))


def test_only_so_many_words_are_remembered() -> None:
    calm = Unrepeated()
    for n in range(1_000):
        calm.filter(_said("asyncio", f"task {n}", 1))

    assert not calm.filter(_said("asyncio", "task 999", 2))
    assert calm.filter(_said("asyncio", "task 0", 2))
