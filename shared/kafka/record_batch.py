"""Kafka's record batches, format 2: their headers, and the checksum that tells whether one is as it was written.

CRC-32C is taken by the processor's own instruction: with the tables of aiokafka's decoder and builder, all that was
fetched and written cost a twentieth of the engine's processor time.
"""

from collections.abc import Sequence
from itertools import islice
from struct import Struct
from typing import Any, Final

import google_crc32c
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from shared.kafka.rows import Message

# It would go on in plain Python, hundreds of times slower than aiokafka, and only warn.
if google_crc32c.implementation != "c":
    raise ImportError("google-crc32c is installed without its compiled part")

# Base offset, length of what follows it, leader's epoch, format, checksum; then, covered by the checksum: attributes,
# last offset, first and latest time, producer's id and epoch, first sequence number, number of records.
_HEADER: Final = Struct(">qiibIhiqqqhii")
_LENGTH: Final = slice(8, 12)
_CHECKSUM: Final = slice(17, 21)
_FORMAT: Final = 2
# google-crc32c takes nothing but `bytes`: what is copied for it stays in a core's cache until it is read.
_PIECE_BYTES: Final = 1 << 16
# aiokafka's builder takes nothing but a list, and does not change it.
_NO_HEADERS: Final[list[tuple[str, bytes]]] = []


def end_of_batch(content: bytes, start: int) -> int:
    """Return where the batch that begins at `start` ends."""
    length = content[start + _LENGTH.start : start + _LENGTH.stop]
    return start + _LENGTH.stop + int.from_bytes(length, "big", signed=True)


def is_intact(batch: Any, content: bytes, start: int, stop: int) -> bool:
    """Return whether a decoder's batch, whose bytes these are and which nothing was read of, is as it was written."""
    if not isinstance(batch, DefaultRecordBatch):
        # Of the formats before: another checksum.
        return bool(batch.validate_crc())
    return bool(batch.crc == _checksum(content, start + _CHECKSUM.stop, stop))


class OutgoingBatch:
    """Records on their way out: what aiokafka's sender takes for one of its `BatchBuilder`s.

    Its compiled builder writes the records; header and checksum are written here.
    """

    __slots__ = ("_append", "_content", "_first_ms", "_is_closed", "_latest_ms", "_producer", "n_records")

    def __init__(self, max_bytes: int) -> None:
        builder = DefaultRecordBatchBuilder(
            _FORMAT, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=max_bytes
        )
        # The room for the header; records are appended to these very bytes.
        self._content: bytearray = builder.build()
        self._append: Any = builder.append
        self._producer = (-1, -1, 0)
        self._first_ms = self._latest_ms = -1
        self._is_closed = False
        self.n_records = 0

    def extend(self, messages: Sequence[Message], start: int, now_ms: int) -> int:
        """Append messages from number `start` on until one finds no room; return that one's number.

        The first record of a batch always finds room. `now_ms` is the time of those that have none.
        """
        append, at, latest_ms = self._append, self.n_records, self._latest_ms
        if not at:
            self._first_ms = messages[start][3] or now_ms
        next_one = start - at
        try:
            for key, value, headers, timestamp_ms in islice(messages, start, None):
                at_ms = timestamp_ms or now_ms
                if append(at, at_ms, key, value, list(headers) if headers else _NO_HEADERS) is None:
                    break
                if at_ms > latest_ms:
                    latest_ms = at_ms
                at += 1
        finally:
            # The header tells of what is there, also when something that is no record ended this.
            self.n_records, self._latest_ms = at, latest_ms
        return next_one + at

    def sealed(self) -> bytearray:
        """Return the batch's bytes, with a header for the records that are there; more may follow."""
        content, n_records = self._content, self.n_records
        known = (0, n_records - 1, self._first_ms, self._latest_ms, *self._producer, n_records)
        _HEADER.pack_into(content, 0, 0, len(content) - _LENGTH.stop, -1, _FORMAT, 0, *known)
        content[_CHECKSUM] = _checksum(content, _CHECKSUM.stop, len(content)).to_bytes(4, "big")
        return content

    # What the sender asks for.

    def close(self) -> None:
        self._is_closed = True

    def closed(self) -> bool:
        return self._is_closed

    def record_count(self) -> int:
        return self.n_records

    def _set_producer_state(self, producer_id: int, epoch: int, sequence: int) -> None:
        self._producer = (producer_id, epoch, sequence)

    def _build(self) -> bytearray:
        return self.sealed()


def _checksum(content: bytes | bytearray, start: int, stop: int) -> int:
    extend, checksum = google_crc32c.extend, 0
    with memoryview(content) as view:
        for at in range(start, stop, _PIECE_BYTES):
            checksum = extend(checksum, view[at : min(at + _PIECE_BYTES, stop)].tobytes())
    return checksum
