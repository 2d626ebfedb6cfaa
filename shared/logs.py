"""JSON log lines on stderr, one event a line, with the correlation id of the work in hand."""

import logging
import sys
import time
from contextvars import ContextVar
from typing import Any, Literal

import msgspec

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_encoder = msgspec.json.Encoder(enc_hook=str)


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


def configure_logging(service: str, level: str = "info", style: Literal["json", "text"] = "json") -> None:
    """Send every logger to stderr in one format; call once, from a service's __main__."""
    handler = logging.StreamHandler(sys.stderr)
    if style == "json":
        formatter: logging.Formatter = JsonFormatter(service)
    else:
        formatter = TextFormatter()
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("aiokafka.consumer.group_coordinator").addFilter(_calmed)
    for noisy in ("aiokafka", "faust", "mode", "asyncio", "uvicorn.access", "httpx2"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
