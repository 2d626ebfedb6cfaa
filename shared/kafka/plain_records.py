"""A consumer's records as its decoder made them, whatever their headers are called.

They have all that we read; to wrap each in a ConsumerRecord costs 0.9 µs, more than to decode it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException

from shared.kafka.odd_headers import KeptResponses, records_in


def hand_out_plain_records(consumer: Any) -> None:
    """Set a started consumer that has not been assigned anything yet to give such records from `getmany`."""
    fetcher = consumer._fetcher
    fetcher._client = responses = KeptResponses(fetcher._client)
    fetcher._records = PlainResults(responses.take)


class PlainResults(OrderedDict[Any, Any]):
    """What the fetcher has fetched, set to hand out records as its decoder made them.

    `content_of` returns the bytes a partition's records were decoded from.
    """

    def __init__(self, content_of: Callable[[Any], bytes] = lambda _: b"") -> None:
        super().__init__()
        self._content_of = content_of

    def __setitem__(self, tp: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            fetched = result._partition_records
            fetched._records_iterator = records_of(fetched, self._content_of(tp))
            # Not a class of its own: the fetcher takes what is not exactly a FetchResult for an error.
            result.getall = partial(take_records, result)
        super().__setitem__(tp, result)


def take_records(result: Any, max_records: int | None = None) -> list[Any]:
    """Return a partition's next records, as the result's own method, without a call of Python for each of them."""
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return []
    records = list(islice(result._partition_records._records_iterator, max_records))
    result._update_position()
    if max_records is None or len(records) < max_records:
        result._partition_records = None
    return records


def records_of(fetched: Any, content: bytes) -> Iterator[Any]:
    """Yield a partition's records from all its batches, and move its next offset along, as aiokafka's own iterator.

    Transactions are not looked at: what we read, we wrote without them. `content` is what the batches came from.
    """
    batches = fetched._records
    while batches.has_next():
        batch = batches.next_batch()
        if fetched._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {fetched._tp}")
        if not batch.is_control_batch:
            try:
                for record in batch:
                    offset = record.offset
                    # A fetch may begin in the midst of a batch.
                    if offset >= fetched.next_fetch_offset:
                        fetched.next_fetch_offset = offset + 1
                        yield record
            except UnicodeDecodeError:
                for read in records_in(content, batch.base_offset):
                    if read.offset >= fetched.next_fetch_offset:
                        fetched.next_fetch_offset = read.offset + 1
                        yield read
        # Also where compaction removed the batch's last records.
        fetched.next_fetch_offset = batch.next_offset
