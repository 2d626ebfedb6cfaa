"""What a log line tells, in both styles."""

import json
import logging
from collections.abc import Iterator

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError

from shared.logs import JsonFormatter, TextFormatter, configure_logging


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
