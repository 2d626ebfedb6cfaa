"""Why a customer leaves: a probability over causes, from what his unhappy texts are about and which signals hold."""

from collections.abc import Iterable, Sequence

from services.churn_alerts.signal.aspects import causes_of
from services.churn_alerts.signal.expectation_mismatch import Negative
from services.churn_alerts.signal.model import DAY_MS
from shared.contracts.alert import Cause, Signal, SignalName

WINDOW_DAYS = 90
HALF_LIFE_DAYS = 30.0

# Evidence that nobody stated a cause: what is left when a customer says nothing, and half a clear statement's weight.
UNKNOWN = 0.5

# What a signal says of the cause when nobody spoke; priors, in units of one clearly unhappy text.
SIGNAL_CAUSES: dict[SignalName, tuple[tuple[Cause, float], ...]] = {
    "payment_delayed": (("billing", 0.5), ("price", 0.3)),
    "repeated_reopen": (("after_sales", 0.8),),
    "inquiry_without_order": (("price", 0.3), ("competitor", 0.3)),
    "category_frequency_falling": (("competitor", 0.3),),
}


def cause_of(
    negatives: Sequence[Negative], signals: Iterable[Signal], day: int, quiet_since_day: int | None = None
) -> tuple[Cause, float]:
    """Return the likeliest cause and its probability as of the end of `day`.

    Each unhappy text of 90 days spreads its weight, p_negative halved every 30 days, over the causes it names; one that
    names none ("the third time I write!") is no evidence against what the others name. Age is counted back from
    `quiet_since_day`, where he has fallen silent: what was said around the last purchase does not explain the silence
    any less because it took weeks to notice.
    """
    as_of = day if quiet_since_day is None else min(day, quiet_since_day)
    weights: dict[Cause, float] = {"unknown": UNKNOWN}
    for negative in negatives:
        said_day = negative.at_ms // DAY_MS
        age = max(as_of - said_day, 0)
        if said_day > day or age >= WINDOW_DAYS:
            continue
        weight = negative.permille / 1000 * 0.5 ** (age / HALF_LIFE_DAYS)
        named = list(causes_of(negative.aspects))
        for cause in named:
            weights[cause] = weights.get(cause, 0.0) + weight / len(named)
    for signal in signals:
        for cause, weight in SIGNAL_CAUSES.get(signal.name, ()):
            weights[cause] = weights.get(cause, 0.0) + weight
    likeliest = max(sorted(weights), key=lambda cause: weights[cause])
    return likeliest, round(weights[likeliest] / sum(weights.values()), 4)
