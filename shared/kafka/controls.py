"""Control records of a partition: ticks, rules and models, and which generation is in force when. No Kafka here.

A control record has no Kafka key, travels in a data topic and reaches every partition, so that a partition's log is the
only input of its decisions.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from shared.clock import to_ms
from shared.contracts.control import Control as ControlRecord
from shared.contracts.control import ModelPublished, RulesPublished
from shared.errors import Reject
from shared.kafka.processor import Control

RULES: Final = "rules"
# Past generations answer for late events; so many are kept of each name, beside all that are still to come.
_PAST_KEPT: Final = 8

_decoder: msgspec.json.Decoder[ControlRecord] = msgspec.json.Decoder(ControlRecord)


def decode_control(value: bytes | None) -> ControlRecord:
    """Return the control record; raises Reject, which dead-letters it."""
    if value is None:
        raise Reject("a record with neither key nor value")
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Reject(f"not a control record, and it has no key: {error}") from error


def generation_of(record: RulesPublished | ModelPublished) -> Control:
    """Return what the record puts in force, and from when."""
    name, document = (RULES, record.rules) if isinstance(record, RulesPublished) else (record.name, record.model)
    return Control(name, record.version, to_ms(record.in_force_at), document)


class StoredControl(msgspec.Struct, frozen=True):
    """A generation as its state row keeps it; `offset` is the control record's own."""

    offset: int
    name: str
    version: int
    in_force_at_ms: int
    document: dict[str, Any]


class Controls:
    """The generations known to a partition, by name and version."""

    def __init__(self, stored: Iterable[StoredControl] = ()) -> None:
        self._by_name: dict[str, dict[int, Control]] = {}
        for row in stored:
            generation = Control(row.name, row.version, row.in_force_at_ms, row.document)
            self._by_name.setdefault(row.name, {})[row.version] = generation

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))

    def in_force(self, name: str, at_ms: int) -> Control | None:
        """Return the highest version of `name` in force at `at_ms`."""
        ready = [one for one in self._by_name.get(name, {}).values() if one.in_force_at_ms <= at_ms]
        return max(ready, key=lambda one: one.version, default=None)

    def add(self, generation: Control, watermark_ms: int) -> list[Control]:
        """Add or replace a generation; return those that are forgotten for it, the oldest of the past."""
        versions = self._by_name.setdefault(generation.name, {})
        versions[generation.version] = generation
        past = sorted(version for version, one in versions.items() if one.in_force_at_ms <= watermark_ms)
        return [versions.pop(version) for version in past[:-_PAST_KEPT]]
