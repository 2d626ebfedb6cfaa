"""The rows of a state topic: JSON with the fence and the timer in fixed places, so that both are read by slicing.

A customer's row: `{"fence":                  42,"wake_at_ms":       1760000000000,"state":{…}}`. The fence is the
offset of the last input the state includes; a tombstone carries it in a header. Keys that start with NUL belong to the
engine: one row with the partition's fence and watermark, one for each generation of rules and models. No Kafka here.
"""

from typing import Final, NamedTuple

import msgspec

from shared.kafka.controls import StoredControl
from shared.kafka.processor import Control, Headers

RESERVED: Final = "\x00"
PARTITION_KEY: Final = "\x00partition"
FENCE_HEADER: Final = "fence"

_HEAD: Final = b'{"fence":%20d,"wake_at_ms":'
_TAIL: Final = b',"state":'
_FENCE: Final = slice(9, 29)
_WAKE_AT: Final = slice(43, 63)
_STATE: Final = slice(72, -1)
_NO_TIMER: Final = b"                null"
# What stands between the head and the state of a row without a timer.
UNTIMED_TAIL: Final = _NO_TIMER + _TAIL


class PartitionRow(msgspec.Struct, frozen=True):
    """What a partition needs besides its customers' states: everything up to `fence` is included in all of them."""

    fence: int
    watermark_ms: int


class Row(NamedTuple):
    """A record of a state topic, ready to publish. `value` None is a tombstone."""

    key: str
    value: bytes | None
    headers: Headers = ()


# Key, value, headers and timestamp of a record whose topic and partition stand outside it; a plain tuple because a
# named one costs as much again as appending it.
Message = tuple[bytes | None, bytes | None, Headers, int | None]


def message_of(row: Row) -> Message:
    """Return a row as a record to publish."""
    key, value, headers = row
    return key.encode(), value, headers, None


def encode_row(fence: int, wake_at_ms: int | None, state: bytes) -> bytes:
    """Return a customer's row around its encoded state."""
    return encode_row_from(row_head(fence), wake_at_ms, state)


def row_head(fence: int) -> bytes:
    """Return what all rows of one fence begin with."""
    return _HEAD % fence


def encode_row_from(head: bytes, wake_at_ms: int | None, state: bytes) -> bytes:
    """Return a customer's row that begins with `head`; joining costs a quarter of formatting."""
    if wake_at_ms is None:
        return head + UNTIMED_TAIL + state + b"}"
    return b"%b%20d%b%b}" % (head, wake_at_ms, _TAIL, state)


def fence_of(row: bytes) -> int:
    return int(row[_FENCE])


def wake_at_ms_of(row: bytes) -> int | None:
    text = row[_WAKE_AT]
    return None if text == _NO_TIMER else int(text)


def state_of(row: bytes) -> bytes:
    """Return the encoded state inside a row."""
    return row[_STATE]


def tombstone(key: str, fence: int) -> Row:
    """Return the row that erases a key."""
    return Row(key, None, ((FENCE_HEADER, b"%d" % fence),))


def tombstone_fence(headers: Headers) -> int:
    """Return the fence a tombstone carries, -1 if another program wrote it."""
    return next((int(content) for name, content in headers if name == FENCE_HEADER), -1)


def partition_row(fence: int, watermark_ms: int) -> Row:
    return Row(PARTITION_KEY, _encoder.encode(PartitionRow(fence, watermark_ms)))


def control_row(generation: Control, offset: int) -> Row:
    """Return the row that keeps a generation of rules or of a model."""
    row = StoredControl(offset, generation.name, generation.version, generation.in_force_at_ms, generation.document)
    return Row(_control_key(generation), _encoder.encode(row))


def control_tombstone(generation: Control, offset: int) -> Row:
    return tombstone(_control_key(generation), offset)


def decode_partition_row(value: bytes) -> PartitionRow:
    return _partition_decoder.decode(value)


def decode_control_row(value: bytes) -> StoredControl:
    return _control_decoder.decode(value)


def reserved_fence(key: str, value: bytes) -> int:
    """Return the offset that orders the versions of a reserved row."""
    return decode_partition_row(value).fence if key == PARTITION_KEY else decode_control_row(value).offset


def _control_key(generation: Control) -> str:
    return f"{RESERVED}control{RESERVED}{generation.name}{RESERVED}{generation.version}"


_encoder = msgspec.json.Encoder()
_partition_decoder = msgspec.json.Decoder(PartitionRow)
_control_decoder = msgspec.json.Decoder(StoredControl)
