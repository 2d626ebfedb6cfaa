"""Whom a million handles belong to, in tens of megabytes: an open-addressing table of 64-bit names. Pure memory.

A dict of strings takes three times as much. Two handles share a name once in 10⁷ tables of a million handles.
"""

import hashlib
from array import array
from typing import Final

from shared.ids import CustomerId

_SMALLEST: Final = 1 << 10
# Beyond this share of taken slots searches grow long.
_FULLEST: Final = 0.6
_FREE: Final = 0
# In `_at`: the slot's handle belongs to nobody any more; searches go on past it.
_NOBODY: Final = 0
# An id has at most 128 characters, which is at most 512 bytes.
_LENGTH_BYTES: Final = 2


class HandleTable:
    """Handle → customer id. Names of handles, and where in one run of bytes the id of each stands."""

    def __init__(self) -> None:
        self._resize(_SMALLEST)
        self._ids = bytearray(b"\0")
        self._n_taken = 0
        self._n_owned = 0
        self._n_wasted_bytes = 0

    def __len__(self) -> int:
        return self._n_owned

    def get(self, handle: str, /) -> CustomerId | None:
        """Return whom the handle belongs to, or None."""
        name = _name(handle)
        slot = self._slot(name)
        at = self._at[slot]
        return None if self._names[slot] != name or at == _NOBODY else self._id(at)

    def put(self, handle: str, customer_id: str) -> None:
        """Let the handle belong to the customer from now on."""
        name = _name(handle)
        slot = self._slot(name)
        if self._names[slot] != name:
            if self._n_taken >= _FULLEST * len(self._names):
                self._rebuild()
                slot = self._slot(name)
            self._names[slot] = name
            self._n_taken += 1
        before = self._at[slot]
        if before == _NOBODY:
            self._n_owned += 1
        elif self._id(before) == customer_id:
            return
        else:
            self._n_wasted_bytes += len(self._entry(self._ids, before))
        self._at[slot] = self._added(customer_id)
        if self._n_wasted_bytes > len(self._ids) // 2 > _SMALLEST:
            self._rebuild()

    def remove(self, handle: str) -> None:
        """Let the handle belong to nobody."""
        name = _name(handle)
        slot = self._slot(name)
        if self._names[slot] == name and self._at[slot] != _NOBODY:
            self._n_wasted_bytes += len(self._entry(self._ids, self._at[slot]))
            self._at[slot] = _NOBODY
            self._n_owned -= 1

    def _slot(self, name: int) -> int:
        """Return the slot of the name, or the free one where it would go."""
        names, mask = self._names, self._mask
        slot = name & mask
        while (known := names[slot]) != name and known != _FREE:
            slot = (slot + 1) & mask
        return slot

    def _id(self, at: int) -> CustomerId:
        return CustomerId(self._entry(self._ids, at)[_LENGTH_BYTES:].decode())

    @staticmethod
    def _entry(ids: bytearray, at: int) -> bytearray:
        length = int.from_bytes(ids[at : at + _LENGTH_BYTES], "little")
        return ids[at : at + _LENGTH_BYTES + length]

    def _added(self, customer_id: str) -> int:
        encoded = customer_id.encode()
        at = len(self._ids)
        self._ids += len(encoded).to_bytes(_LENGTH_BYTES, "little")
        self._ids += encoded
        return at

    def _resize(self, n_slots: int) -> None:
        self._names = array("Q", bytes(8 * n_slots))
        self._at = array("Q", bytes(8 * n_slots))
        self._mask = n_slots - 1

    def _rebuild(self) -> None:
        """Make room, and let go of what nobody owns and of ids that are no one's any more."""
        names, ats, ids = self._names, self._at, self._ids
        n_slots = _SMALLEST
        while self._n_owned >= _FULLEST / 2 * n_slots:
            n_slots *= 2
        self._resize(n_slots)
        self._ids = bytearray(b"\0")
        self._n_taken = self._n_owned
        self._n_wasted_bytes = 0
        for name, at in zip(names, ats, strict=True):
            if name != _FREE and at != _NOBODY:
                slot = self._slot(name)
                self._names[slot] = name
                self._at[slot] = len(self._ids)
                self._ids += self._entry(ids, at)


def _name(handle: str) -> int:
    digest = hashlib.blake2b(handle.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
