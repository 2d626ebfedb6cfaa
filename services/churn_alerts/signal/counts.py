"""Counts in blocks of 30 days: a bounded, exact, order-independent answer to "how many lately, how many before?"."""

from msgspec import Struct

BLOCK_DAYS = 30
BLOCKS_KEPT = 7
BLOCKS_RECENT = 3


class BlockCounts(Struct, frozen=True, array_like=True, gc=False):
    """`recent[i]` counts the block `newest_block` − i (block = day // 30); `total` counts all since `first_day`."""

    total: int
    first_day: int
    newest_block: int
    recent: tuple[int, ...]


class Lately(Struct, frozen=True, gc=False):
    """The running block and the two before it (61–90 days), against everything earlier."""

    n_recent: int
    recent_days: int
    n_before: int
    before_days: int

    @property
    def usual(self) -> float:
        """How many the earlier rate would have brought in the recent days."""
        return self.n_before / self.before_days * self.recent_days if self.before_days > 0 else 0.0


def counted(counts: BlockCounts | None, day: int) -> BlockCounts:
    """Return the counts with one more on `day`."""
    block = day // BLOCK_DAYS
    if counts is None:
        return BlockCounts(1, day, block, (1,))
    shift = block - counts.newest_block
    recent = counts.recent
    if shift == 0 and day >= counts.first_day:
        # The common case.
        return BlockCounts(counts.total + 1, counts.first_day, block, (recent[0] + 1, *recent[1:]))
    if shift == 0:
        recent = (recent[0] + 1, *recent[1:])
    elif shift > 0:
        recent = (1, *(0,) * min(shift - 1, BLOCKS_KEPT), *recent)[:BLOCKS_KEPT]
    elif -shift < BLOCKS_KEPT:
        padded = recent + (0,) * (1 - shift - len(recent))
        recent = (*padded[:-shift], padded[-shift] + 1, *padded[-shift + 1 :])
    return BlockCounts(counts.total + 1, min(counts.first_day, day), max(counts.newest_block, block), recent)


def merged_counts(one: BlockCounts | None, other: BlockCounts | None) -> BlockCounts | None:
    """Return the counts of both."""
    if one is None or other is None:
        return other if one is None else one
    newest = max(one.newest_block, other.newest_block)
    sums = tuple(_in_block(one, newest - i) + _in_block(other, newest - i) for i in range(BLOCKS_KEPT))
    first_day = min(one.first_day, other.first_day)
    return BlockCounts(one.total + other.total, first_day, newest, sums[: newest - first_day // BLOCK_DAYS + 1])


def lately(counts: BlockCounts, day: int) -> Lately:
    """Return recent and earlier counts as of the end of `day`."""
    last_recent = day // BLOCK_DAYS
    first_recent = last_recent - BLOCKS_RECENT + 1
    # `recent` runs backwards from the newest block: first what came later than the day's block, then the recent ones.
    n_later_blocks = max(counts.newest_block - last_recent, 0)
    n_recent = sum(counts.recent[n_later_blocks : max(counts.newest_block - first_recent + 1, 0)])
    return Lately(
        n_recent,
        day + 1 - first_recent * BLOCK_DAYS,
        counts.total - n_recent - sum(counts.recent[:n_later_blocks]),
        max(first_recent * BLOCK_DAYS - counts.first_day, 0),
    )


def _in_block(counts: BlockCounts, block: int) -> int:
    back = counts.newest_block - block
    return counts.recent[back] if 0 <= back < len(counts.recent) else 0
