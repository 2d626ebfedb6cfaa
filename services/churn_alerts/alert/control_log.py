"""The log of what the service itself decides for all partitions, generations and rules: its order decides, nobody else.

Of a name and version the first record of `churn.models` counts, whoever wrote it. Only what stands there is passed on
to the customers' partitions, by whichever process leads then (docs/adr/0017).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Struct

from services.churn_alerts.alert.rules import read_rules
from shared.contracts.codec import encode
from shared.contracts.control import ModelPublished, RulesPublished
from shared.errors import Reject
from shared.kafka.changelog import StateReader
from shared.kafka.controls import RULES
from shared.kafka.publisher import BatchPublisher
from shared.kafka.ticker import publish_control
from shared.topics import CHURN_MODELS, ENRICHED

_log = logging.getLogger(__name__)

LEADING_PARTITION: Final = 0
"""Who owns this partition of the customers' leads; the log has this one partition."""

Decided = ModelPublished | RulesPublished


class PassedOn(Struct, frozen=True, tag_field="type", tag="model.passed_on"):
    """Every partition has `version` of `name`: a model's name, or "rules"."""

    name: str
    version: int


_decoder: Final = msgspec.json.Decoder(ModelPublished | RulesPublished | PassedOn)


@dataclass(slots=True)
class Standing:
    """The log as it stands: of a name and version the first record; `passed_on` reached everyone."""

    records: dict[tuple[str, int], Decided] = field(default_factory=dict)
    passed_on: set[tuple[str, int]] = field(default_factory=set)

    def newest_model(self, name: str) -> ModelPublished | None:
        """Return the highest version of a model, whether or not it was passed on."""
        found = [one for one in self.records.values() if isinstance(one, ModelPublished) and one.name == name]
        return max(found, key=lambda record: record.version, default=None)

    def newest_rules(self) -> RulesPublished | None:
        """Return the highest version of the rules that the service itself decided."""
        found = [one for one in self.records.values() if isinstance(one, RulesPublished)]
        return max(found, key=lambda record: record.version, default=None)


class ControlLog:
    """Reads and writes the log, and passes on what stands in it. `read_model` raises on a model that is none."""

    def __init__(
        self,
        publisher: BatchPublisher,
        reader: StateReader,
        topic_prefix: str,
        read_model: Callable[[dict[str, Any]], object],
    ) -> None:
        self._publisher = publisher
        self._reader = reader
        self._topic = CHURN_MODELS.full_name(topic_prefix)
        self._input = ENRICHED.full_name(topic_prefix)
        self._read_model = read_model

    async def read(self) -> Standing:
        standing = Standing()
        async for records in self._reader.read(self._topic, LEADING_PARTITION):
            for record in records:
                self._add(standing, record.value)
        return standing

    async def pass_on_waiting(self, standing: Standing) -> list[Decided]:
        """Pass on, in order, what a crash may have kept from some partition. Raises Unavailable."""
        waiting = [record for at, record in sorted(standing.records.items()) if at not in standing.passed_on]
        for record in waiting:
            await self._pass_on(record)
        return waiting

    async def decide(self, record: Decided) -> Decided:
        """Return what the log has for the record's name and version, ours or another leader's, passed on to everyone.

        Raises Unavailable; `pass_on_waiting` goes on where this stopped.
        """
        await self._append(encode(record))
        counted = (await self.read()).records[_name_of(record), record.version]
        await self._pass_on(counted)
        return counted

    async def _pass_on(self, record: Decided) -> None:
        await publish_control(self._publisher, self._input, record)
        await self._append(encode(PassedOn(_name_of(record), record.version)))

    async def _append(self, value: bytes) -> None:
        await self._publisher.publish_batches({(self._topic, LEADING_PARTITION): [(b"model", value, (), None)]})

    def _add(self, standing: Standing, value: bytes | None) -> None:
        try:
            record = _decoder.decode(value or b"")
            if isinstance(record, ModelPublished):
                self._read_model(record.model)
            elif isinstance(record, RulesPublished):
                read_rules(record.rules)
        except (msgspec.MsgspecError, ValueError, Reject) as error:
            _log.error("a record of %s cannot be read: %s", CHURN_MODELS.name, error)
            return
        if isinstance(record, PassedOn):
            standing.passed_on.add((record.name, record.version))
        else:
            standing.records.setdefault((_name_of(record), record.version), record)


def _name_of(record: Decided) -> str:
    return record.name if isinstance(record, ModelPublished) else RULES
