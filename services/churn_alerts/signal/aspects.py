"""What unhappy texts are about, as bits: the eight aspects of `shared.contracts.enriched`, and talk of a competitor."""

import re
from collections.abc import Iterator

from services.churn_alerts.signal.event import Sentiment
from shared.contracts.alert import Cause
from shared.contracts.enriched import ASPECT_NAMES

COMPETITOR_BIT = len(ASPECT_NAMES)

_SELLER = "(?:provider|vendor|supplier|brand|company|shop|store|carrier)"
# Leaving for, or comparing with, somebody else. Words for a cause, not for a mood: they count in unhappy texts only.
# Every choice begins with a letter of its own, so that the engine may skip to where one of these stands.
_COMPETITOR = re.compile(
    r"competitor|switch(?:ed|ing)? to "
    rf"|other {_SELLER}|another {_SELLER}|different {_SELLER}"
    r"|elsewhere|cancel(?:l?ing|l?ed)? (?:my|our|the) (?:account|subscription|contract|membership)"
    r"|better (?:deal|offer|price) (?:at|from|with)"
    r"|别家|别的(?:店|家|品牌|平台|公司)|其他(?:家|店|品牌|平台|公司)|另一家|换(?:一)?家|换(?:个)?(?:品牌|平台|供应商)|竞品|竞争对手|同行|转(?:网|投)|携号",
    re.IGNORECASE,
)


# For plain ASCII, the same words without IGNORECASE, which keeps the engine from skipping.
_COMPETITOR_ASCII = re.compile(_COMPETITOR.pattern)


def aspect_bits(sentiment: Sentiment, text: str | None) -> int:
    """Return the aspects of an unhappy text as bits; bit 8 is set when it speaks of somebody else's offer."""
    bits = 0
    for hit in sentiment.aspects:
        bits |= 1 << ASPECT_NAMES.index(hit.aspect)
    if text and _speaks_of_competitor(text):
        bits |= 1 << COMPETITOR_BIT
    return bits


def _speaks_of_competitor(text: str) -> bool:
    if text.isascii():
        return _COMPETITOR_ASCII.search(text.lower()) is not None
    return _COMPETITOR.search(text) is not None


def causes_of(bits: int) -> Iterator[Cause]:
    """Yield the causes that the bits of `aspect_bits` name."""
    for index, aspect in enumerate(ASPECT_NAMES):
        if bits >> index & 1:
            yield aspect
    if bits >> COMPETITOR_BIT & 1:
        yield "competitor"
