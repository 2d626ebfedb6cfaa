"""JSON log lines on stderr, one event a line, with the correlation id of the work in hand."""

import logging
import math
import sys
import time
from collections import OrderedDict
from contextvars import ContextVar
from typing import Any, Literal

import msgspec

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_encoder = msgspec.json.Encoder(enc_hook=str)
_LIBRARIES = ("aiokafka", "faust", "mode", "asyncio")
_SAID_AGAIN_AFTER_S = 10.0
_MOST_REMEMBERED = 256


class JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (correlation := correlation_id.get()) is not None:
            line["correlation_id"] = correlation
        line.update(_extra(record))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode("utf-8", "replace")


class TextFormatter(logging.Formatter):
    """For eyes: one line, what the record carries beside its message appended as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the library's name
        shown = [f"{name}={_on_one_line(value)}" for name, value in _extra(record).items() if name != "action"]
        return " ".join([super().formatMessage(record), *shown])


def _on_one_line(value: Any) -> str:
    # A sender's words may be among the values: a line break in them must not look like a record of ours.
    text = str(value)
    return text if text.isprintable() else ascii(text)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _calmed(record: logging.LogRecord) -> bool:
    # A broker that has just started, or just lost another, names no coordinator for a moment; the client asks again.
    # Who is without one for long does not become ready, which is what an operator is told.
    if record.levelno == logging.ERROR and "GroupCoordinatorNotAvailableError" in record.getMessage():
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


class Unrepeated(logging.Filter):
    """Lets through what a library repeats once in ten seconds, with how often it was said since (`n_repeated`).

    A broker that is away makes its clients say so thirty times a second and process: nothing else would be seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_LIBRARIES):
            return True
        said = (record.name, record.getMessage())
        at, n_repeated = self._said.pop(said, (-math.inf, 0))
        # The clock may have been set back meanwhile.
        is_repeated = 0 <= record.created - at < _SAID_AGAIN_AFTER_S
        self._said[said] = (at, n_repeated + 1) if is_repeated else (record.created, 0)
        if len(self._said) > _MOST_REMEMBERED:
            self._said.popitem(last=False)
        if n_repeated and not is_repeated:
            record.n_repeated = n_repeated
        return not is_repeated


def configure_logging(service: str, level: str = "info", style: Literal["json", "text"] = "json") -> None:
    """Send every logger to stderr in one format; call once, from a service's __main__."""
    handler = logging.StreamHandler(sys.stderr)
    if style == "json":
        formatter: logging.Formatter = JsonFormatter(service)
    else:
        formatter = TextFormatter()
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(Unrepeated())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("aiokafka.consumer.group_coordinator").addFilter(_calmed)
    for noisy in (*_LIBRARIES, "uvicorn.access", "httpx2"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
