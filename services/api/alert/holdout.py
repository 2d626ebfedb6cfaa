"""Which alerts nobody acts on, so that acting can be measured against not acting. Pure.

Source: DESIGN, "Outcome": a comparison of before and after without a holdout calls untouched customers rescued.
"""

import hashlib
from datetime import timedelta

# How long nobody is to act on such an alert's customer: the horizon acting is judged by unless another is asked for.
HELD_OUT_FOR = timedelta(days=90)
_HASH_RANGE = 1 << 64


def is_held_out(alert_id: str, ratio: float) -> bool:
    """Return whether an alert is in the holdout; the same alert always answers alike, whoever asks.

    Raising the ratio adds alerts to the holdout and takes none out.
    """
    place = int.from_bytes(hashlib.blake2b(b"holdout/" + alert_id.encode(), digest_size=8).digest())
    return place < ratio * _HASH_RANGE
