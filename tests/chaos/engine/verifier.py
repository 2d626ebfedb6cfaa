"""A stranger that judges: reads topics and committed offsets, nothing of the engine, and prints what is wrong as JSON.

It folds the input log in the plainest way, one record after another, and compares what must follow with what is there.

python -m tests.chaos.engine.verifier BOOTSTRAP PREFIX PARTITIONS
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

_PATIENCE_MS = 1_000
_SHORTEST_MS = 100


class Fold:
    """What must follow from one partition's log, record by record."""

    def __init__(self) -> None:
        self.notes: dict[str, dict[str, Any]] = {}
        self.poison: set[int] = set()
        self.states: dict[str, dict[str, int]] = {}
        self._timers: dict[str, int] = {}
        self._now_ms = 0

    def add(self, offset: int, key: bytes | None, value: bytes) -> None:
        try:
            event = json.loads(value)
            at_ms = event["at_ms"] if key is not None else _tick_ms(event)
        except (ValueError, KeyError, TypeError):
            self.poison.add(offset)
            return
        self._now_ms = max(self._now_ms, at_ms)
        self._fire()
        if key is not None:
            self._see(key.decode(), offset, event)

    def _see(self, key: str, offset: int, event: dict[str, Any]) -> None:
        if event.get("fault"):
            self.poison.add(offset)
            return
        before = self.states.get(key, {"n": 0, "last_ms": 0})
        last_ms = max(before["last_ms"], event["at_ms"])
        self.states[key] = {"n": before["n"] + 1, "last_ms": last_ms, "n_silences": 0}
        self._timers[key] = max(last_ms + _PATIENCE_MS, self._now_ms + _SHORTEST_MS)
        self._note(event["id"], self._now_ms, key)

    def _fire(self) -> None:
        while self._timers and (due_ms := min(self._timers.values())) <= self._now_ms:
            for key in sorted(key for key, at_ms in self._timers.items() if at_ms == due_ms):
                del self._timers[key]
                state = self.states[key]
                self.states[key] = {**state, "n_silences": state["n_silences"] + 1}
                if self.states[key]["n_silences"] < 3:
                    self._timers[key] = due_ms + _PATIENCE_MS
                self._note(f"{key}-silent-{due_ms}", due_ms, key)

    def _note(self, note_id: str, at_ms: int, key: str) -> None:
        self.notes[note_id] = {"id": note_id, "at_ms": at_ms, "seen": self.states[key], "rules_version": 0}


def _tick_ms(event: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(event["at"]).timestamp() * 1000)


async def _records(bootstrap: str, name: str, partition: int) -> list[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    place = TopicPartition(name, partition)
    consumer.assign([place])
    end = (await consumer.end_offsets([place]))[place]
    await consumer.seek_to_beginning(place)
    records: list[Any] = []
    while await consumer.position(place) < end:
        records += (await consumer.getmany(place, timeout_ms=500)).get(place, [])
    await consumer.stop()
    return records


async def _committed(bootstrap: str, group: str) -> dict[int, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    offsets = await admin.list_consumer_group_offsets(group)
    await admin.close()
    return {place.partition: known.offset for place, known in offsets.items()}


def _faults_of_notes(expected: dict[str, dict[str, Any]], records: list[Any]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for record in records:
        if record.key is None:
            continue
        note = {"rules_version": 0, **json.loads(record.value)}
        seen.add(note["id"])
        if note["id"] not in expected:
            yield "unexpected", note["id"]
        elif note != expected[note["id"]]:
            yield "other content", note["id"]
    yield from (("missing", note_id) for note_id in expected.keys() - seen)


def _faults_of_states(expected: dict[str, dict[str, int]], records: list[Any]) -> Iterator[tuple[str, str]]:
    last = {record.key.decode(): record.value for record in records if not record.key.startswith(b"\x00")}
    actual = {key: json.loads(value)["state"] for key, value in last.items() if value is not None}
    yield from (("wrong state", key) for key in expected.keys() | actual.keys() if expected.get(key) != actual.get(key))


async def _faults(bootstrap: str, prefix: str, partition: int, committed: int) -> Iterator[tuple[str, str]]:
    fold = Fold()
    inputs = await _records(bootstrap, f"{prefix}watched", partition)
    for record in inputs:
        fold.add(record.offset, record.key, record.value)
    notes = await _records(bootstrap, f"{prefix}notes", partition)
    letters = [json.loads(one.value) for one in await _records(bootstrap, f"{prefix}dead-letters", partition)]
    poisoned = {letter["offset"] for letter in letters if letter["partition"] == partition}
    found = [
        *_faults_of_notes(fold.notes, notes),
        *_faults_of_states(fold.states, await _records(bootstrap, f"{prefix}watch.state", partition)),
        *(("poison without letter", str(offset)) for offset in fold.poison - poisoned),
        *(("letter without poison", str(offset)) for offset in poisoned - fold.poison),
    ]
    if committed != len(inputs):
        found.append(("committed", f"{committed} of {len(inputs)}"))
    repeated = len([note for note in notes if note.key is not None]) - len(fold.notes)
    found.append(("repeated", str(max(0, repeated))))
    found.append(("inputs", str(len(inputs))))
    return iter(found)


async def main(bootstrap: str, prefix: str, partitions: int) -> dict[str, Any]:
    """Return the faults by kind, with how many inputs were judged and how many outputs were repeated unchanged."""
    committed = await _committed(bootstrap, f"{prefix}watch")
    faults: defaultdict[str, list[str]] = defaultdict(list)
    for partition in range(partitions):
        for kind, what in await _faults(bootstrap, prefix, partition, committed.get(partition, 0)):
            faults[kind].append(what)
    return {
        "inputs": sum(map(int, faults.pop("inputs"))),
        "repeated": sum(map(int, faults.pop("repeated"))),
        "faults": {kind: len(what) for kind, what in faults.items()},
        "examples": {kind: what[:3] for kind, what in faults.items()},
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
