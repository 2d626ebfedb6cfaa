"""One generation of the churn model: all that is fitted, published and swapped together; and the prior shipped."""

from math import log
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from services.churn_alerts.alert.tier import TIERS, TierCuts
from shared.contracts.alert import Tier
from shared.contracts.enriched import Probability

TERMS: Final = (
    "lom", "nlm", "ek",
    "lnz", "over", "zo", "lsd",
    "lu", "lT", "lnn",
    "lnm", "tr3",
    "ewr", "amtr",
    "neg",
    "c1", "c2", "c3",
    "r1", "r2", "r3",
)  # fmt: skip
"""The terms of the score in their order; `features.py` computes them, docs/churn.md defines them."""

GROUPS: Final[tuple[tuple[str, int], ...]] = (
    ("beyond_own_history", 3),
    ("overdue_against_usual_gap", 4),
    ("silence_and_history", 3),
    ("gaps_growing", 2),
    ("baskets_shrinking", 2),
    ("returns", 1),
    ("buying_less", 3),
    ("less_than_usual_customer", 3),
)
"""Reason groups: name and number of consecutive terms. A group's terms are collinear: only their sum has a meaning."""

GROUP_NAMES: Final = tuple(name for name, _ in GROUPS)

REGULARITIES: Final = (1, 2, 4, 8)
"""Gamma shapes of the gaps, one class of regularity each; 1 is random buying, 8 is clockwork."""

FLOOR_WINDOW_SHARE: Final = 0.25
FLOOR_GAP_SHARE: Final = 0.5
"""Of the plain rule's window, and of the customer's own usual gap: before so much of either, no silence is alerted,
unless the company's past says otherwise (`floor.py`)."""

DIGITS: Final = 10
"""Fitted numbers are rounded to ten decimals: above the noise of a linear-algebra library's summation order."""

Returned = tuple[tuple[int, float], ...]
"""The last day of each four weeks, oldest first, and by how much more than expected all customers came back in them."""

Origin = Literal["prior", "prior_recentred", "mixture", "towards_prior", "towards_mixture", "own"]
"""Where the weights come from: the shipped prior, the company's own mixture (S_mix is the score), or its own labels,
drawn to both. `towards_…` stand in logs that earlier versions wrote: drawn to one of them."""


class Mixture(Struct, frozen=True):
    """MBG/NBD with classes of regularity: rate ~ Gamma(r, alpha), leaving ~ Beta(a, b); alpha in days."""

    r: float
    alpha: float
    a: float
    b: float
    weights: tuple[float, float, float, float]


class Baseline(Struct, frozen=True):
    """The company's usual customer: log gap ~ N(m_i, variance), m_i ~ N(mu, variance / kappa), gaps in days.

    `log_amount` is the mean of log(1 + day's total) in the company's own currency; None when no amounts were seen.
    """

    mu: float
    variance: float
    kappa: float
    log_amount: float | None = None


class Spend(Struct, frozen=True):
    """Gamma-Gamma of baskets in the company's currency: a basket ~ Gamma(p, ν), ν ~ Gamma(q, γ); q > 1."""

    p: float
    q: float
    gamma: float


class Generation(Struct, frozen=True):
    """A fitted model, complete: scores depend on it and on the customer's state alone.

    A refit also publishes what is only right together with it: `thresholds`, the risk at which silence is alerted by
    tier, and `tier_cuts`; None where the rules have them. `decided_until_day` is the last day the refit looked at, and
    later than `fitted_until_day` when the guard kept the numbers of the generation before. `level` is added to the
    intercept for what all customers did in the newest weeks and after the same weeks of the year before, as far as
    generations remember: `returned` (`level.py`).
    """

    version: int
    origin: Origin
    horizon_days: float
    mixture: Mixture
    baseline: Baseline
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    intercept: float
    weights: tuple[float, ...]
    fitted_until_day: int | None = None
    n_repeat_customers: int = 0
    n_rows: int = 0
    spend: Spend | None = None
    decided_until_day: int | None = None
    floor_window_share: Probability = FLOOR_WINDOW_SHARE
    floor_gap_share: Probability = FLOOR_GAP_SHARE
    level: float = 0.0
    returned: Returned = ()
    thresholds: dict[Tier, Probability] | None = None
    tier_cuts: TierCuts | None = None

    def __post_init__(self) -> None:
        if {len(self.means), len(self.deviations), len(self.weights)} != {len(TERMS)}:
            raise ValueError(f"means, deviations and weights must have {len(TERMS)} entries")
        if self.thresholds is not None and set(self.thresholds) != set(TIERS):
            raise ValueError("thresholds name every tier, or there are none")
        if not self.horizon_days > 0 or not all(deviation > 0 for deviation in self.deviations):
            raise ValueError("the horizon and the deviations must be positive")

    @property
    def is_prior(self) -> bool:
        """Whether no weight of the score was learnt from the company's own customers."""
        return self.origin in ("prior", "prior_recentred")


PRIOR: Final = Generation(
    version=1,
    origin="prior",
    horizon_days=1.0,
    mixture=Mixture(r=0.7742, alpha=0.2498, a=0.0402, b=0.1683, weights=(0.3548, 0.5814, 0.0577, 0.0061)),
    baseline=Baseline(mu=-1.2203, variance=0.9442, kappa=2.3673),
    means=(
        -1.535, 0.9009, 0.4648, -0.1167, 0.4053, -0.1541, -0.0365, -1.232, 0.8418, 1.6069, -1.2517, 0.1831,
        0.0392, 0.0016, 0.0, -0.706, 0.4264, 1.1089, -0.2651, -0.4239, -0.5338,
    ),
    deviations=(
        1.9759, 1.0687, 0.2155, 1.1881, 0.5167, 1.2366, 0.1804, 1.1282, 0.839, 1.0026, 0.5467, 0.6782,
        0.589, 0.1888, 1.0, 1.082, 0.7858, 0.8173, 0.4253, 0.5508, 0.6562,
    ),
    intercept=-0.5528,
    weights=(
        0.4019, 0.0717, -0.1355, 0.0974, 0.0629, 0.0567, 0.0299, -0.2519, -0.3354, -0.2609, 0.056, 0.0519,
        -0.1016, -0.0067, 0.0, 0.0642, -0.2151, -0.2906, -0.2445, -0.2332, -0.1755,
    ),
)  # fmt: skip
"""Fitted on two public purchase logs of equal weight, times in units of the horizon (docs/churn.md)."""


def prior_for(horizon_days: float, log_amount: float | None = None, version: int = 1) -> Generation:
    """Return the shipped prior for a company whose horizon is `horizon_days`: what scores before any own fit."""
    return replace(
        PRIOR,
        version=version,
        horizon_days=float(horizon_days),
        mixture=replace(PRIOR.mixture, alpha=PRIOR.mixture.alpha * horizon_days),
        baseline=replace(PRIOR.baseline, mu=PRIOR.baseline.mu + log(horizon_days), log_amount=log_amount),
    )


def to_model(generation: Generation) -> dict[str, Any]:
    """Return the JSON members of a generation, the `model` of a `model.published` record."""
    members: dict[str, Any] = msgspec.to_builtins(generation)
    return members


def from_model(model: dict[str, Any]) -> Generation:
    """Return the generation in the `model` of a `model.published` record.

    Raises `msgspec.ValidationError` when it is none; the one before it stays in force (`in_force.ReadDocuments`).
    """
    return msgspec.convert(model, Generation)
