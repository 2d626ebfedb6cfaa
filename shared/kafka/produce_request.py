"""Produce requests put together in one go: aiokafka's own way copies every batch once for each level of the request."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.types import Array, Bytes, Int32, Schema


class JoinedRequests:
    """A producer's client that encodes its requests so: of eight copies of outputs and states one remains."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        """Return the response, as the client's own method."""
        is_produce = isinstance(request, ProduceRequest)
        return await self._client.send(node_id, _Prepared(request) if is_produce else request)


class _Prepared:
    """A request whose structure encodes itself so. Nothing here refers back to itself: it holds megabytes."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def prepare(self, versions: Any) -> "_Joined":
        return _Joined(self._request.prepare(versions))


class _Joined:
    """The structure of one version of a request."""

    def __init__(self, struct: Any) -> None:
        self._struct = struct

    def __getattr__(self, name: str) -> Any:
        return getattr(self._struct, name)

    def encode(self) -> "Pieces":
        items = [getattr(self._struct, name) for name in self._struct.SCHEMA.names]
        return Pieces(pieces_of(self._struct.SCHEMA, items))


class Pieces:
    """The bytes of a request, still apart: its connection adds them to a header, measures them, adds that to the size.

    Each sum of megabytes would be a copy; here the last one alone makes it, when all that belongs before is known.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(pieces)
        self._is_measured = False

    def __len__(self) -> int:
        self._is_measured = True
        return sum(map(len, self._pieces))

    def __radd__(self, before: bytes) -> "bytes | Pieces":
        if self._is_measured:
            return b"".join((before, *self._pieces))
        return Pieces((before, *self._pieces))


def pieces_of(kind: Any, item: Any) -> Iterator[bytes]:
    """Yield the bytes that an item of the protocol's type is encoded to, large ones as they are."""
    if type(kind) is Schema:
        for field, one in zip(kind.fields, item, strict=True):
            yield from pieces_of(field, one)
    elif type(kind) is Array and isinstance(item, Sequence):
        yield Int32.encode(len(item))
        for one in item:
            yield from pieces_of(kind.array_of, one)
    elif kind is Bytes and item is not None:
        yield Int32.encode(len(item))
        yield item
    else:
        yield kind.encode(item)
