"""Sentiment sliding: the customer's texts of the last three to four weeks sound clearly worse than his earlier ones."""

from math import sqrt

from msgspec import Struct

from services.churn_alerts.signal.model import Finding, Moment, Proof, SignalRule, ids_since, strength
from shared.contracts.alert import Signal

BLOCK_DAYS = 10
BLOCKS_KEPT = 5
BLOCKS_RECENT = 3
LEAST_TEXTS = 3
# Spread of the score of one text; scores lie in −1..1. Measured on no company: a prior.
SPREAD = 0.5
SIGNIFICANT = 1.645


class Block(Struct, frozen=True, array_like=True, gc=False):
    """Texts of ten days: how many, and the sum of their scores in thousandths."""

    block: int
    n: int
    permille: int


class Moods(Struct, frozen=True, array_like=True, gc=False):
    """The newest five blocks (ascending), and everything older together."""

    blocks: tuple[Block, ...] = ()
    n_older: int = 0
    permille_older: int = 0


def observe(part: Moods, day: int, score: float) -> Moods:
    """Return the part with one more text of `score` (−1..1)."""
    number, permille = day // BLOCK_DAYS, round(1000 * score)
    if part.blocks and part.blocks[-1].block == number:
        newest = part.blocks[-1]
        grown = Block(number, newest.n + 1, newest.permille + permille)
        return Moods((*part.blocks[:-1], grown), part.n_older, part.permille_older)
    if not part.blocks:
        return Moods((Block(number, 1, permille),), part.n_older, part.permille_older)
    return merge(part, Moods((Block(number, 1, permille),)))


def merge(one: Moods, other: Moods) -> Moods:
    sums: dict[int, tuple[int, int]] = {}
    for block in (*one.blocks, *other.blocks):
        n, permille = sums.get(block.block, (0, 0))
        sums[block.block] = n + block.n, permille + block.permille
    n_older, permille_older = one.n_older + other.n_older, one.permille_older + other.permille_older
    first_kept = max(sums, default=0) - BLOCKS_KEPT + 1
    kept = []
    for number in sorted(sums):
        n, permille = sums[number]
        if number >= first_kept:
            kept.append(Block(number, n, permille))
        else:
            n_older, permille_older = n_older + n, permille_older + permille
    return Moods(tuple(kept), n_older, permille_older)


def evaluate(part: tuple[Moods, tuple[Proof, ...]], moment: Moment, weight: float, threshold: float) -> Finding | None:
    """Return the signal if the mean score fell by at least `threshold` and by more than chance (one-sided 5 %).

    `part` is the moods and the newest unhappy texts as proofs.
    """
    moods, proofs = part
    first = moment.day // BLOCK_DAYS - BLOCKS_RECENT + 1
    n_recent = permille = oldest = 0
    n_before, permille_before = moods.n_older, moods.permille_older
    for block in moods.blocks:
        if block.block < first:
            n_before += block.n
            permille_before += block.permille
        elif block.block < first + BLOCKS_RECENT:
            if not n_recent:
                oldest = block.block
            n_recent += block.n
            permille += block.permille
    if n_recent < LEAST_TEXTS or n_before < LEAST_TEXTS:
        return None
    mean = permille / n_recent / 1000
    mean_before = permille_before / n_before / 1000
    fall = mean_before - mean
    if fall < threshold or fall < SIGNIFICANT * SPREAD * sqrt(1 / n_recent + 1 / n_before):
        return None
    signal = Signal(
        name="sentiment_sliding",
        value=round(mean, 3),
        threshold=round(mean_before - threshold, 3),
        contribution=round(weight * strength(fall / threshold), 4),
        evidence=ids_since(proofs, first * BLOCK_DAYS),
        reason_en=f"the last {n_recent} texts sound worse than before ({mean:+z.2f} against {mean_before:+z.2f})",
        reason_zh=f"近期{n_recent}条文字的情绪下滑（由{mean_before:+z.2f}降至{mean:+z.2f}）",
    )
    return Finding(signal, (oldest + BLOCKS_RECENT) * BLOCK_DAYS)


RULE = SignalRule(
    name="sentiment_sliding",
    weight=1.0,
    threshold=0.3,
    unit="fall of the mean sentiment score (−1..1)",
    judged="day_end",
    can_raise=True,
    evaluate=evaluate,
)
