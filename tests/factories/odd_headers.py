"""Record batches as no client of ours writes them: with a header whose name is not UTF-8."""

import gzip
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

_LENGTH, _CRC, _ATTRIBUTES, _RECORDS = 8, 17, 21, 61
_GZIP = 1


def batch_with_odd_header(
    first: int, n_records: int, odd_at: int | None, *, is_compressed: bool = False, values: list[bytes] | None = None
) -> bytes:
    """Return a batch from offset `first` on whose record number `odd_at` has the header."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    for number in range(n_records):
        headers = [("schema", b"1"), ("bad~name", b"content"), ("none", None)] if number == odd_at else []
        value = b"value %d" % (first + number) if values is None else values[number]
        builder.append(number, 1_000 + first + number, b"key", value, headers)
    whole = builder.build()
    head, records = whole[:_RECORDS], bytes(whole[_RECORDS:]).replace(b"bad~name", b"bad\xffname")
    if is_compressed:
        records = gzip.compress(records)
        head[_ATTRIBUTES + 1] |= _GZIP
    head[:_LENGTH] = first.to_bytes(8, "big")
    head[_LENGTH : _LENGTH + 4] = (_RECORDS - _LENGTH - 4 + len(records)).to_bytes(4, "big")
    head[_CRC:_ATTRIBUTES] = calc_crc32c(bytes(head[_ATTRIBUTES:]) + records).to_bytes(4, "big")
    return bytes(head) + records


async def produce_as_it_is(bootstrap: str, name: str, batch: bytes, n_records: int, *, partition: int = 0) -> None:
    """Write a batch to a partition of the topic."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        builder: Any = producer.create_batch()
        builder.close()
        builder._buffer, builder._relative_offset = batch, n_records
        await (await producer.send_batch(builder, name, partition=partition))
