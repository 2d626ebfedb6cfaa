"""How a generation is fitted from the past alone: baseline, mixture, then the logistic, drawn to the prior while few.

Needs scipy, which scoring does not; it is imported where it is used. The same orders give the same bytes.
"""

from dataclasses import dataclass
from math import exp, lgamma, log
from typing import Any
from zlib import crc32

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.features import terms
from services.churn_alerts.customer.generation import REGULARITIES, Baseline, Generation, Mixture, Origin, prior_for
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.mixture import class_masses
from services.churn_alerts.customer.score import CLIP_DEVIATIONS, risk

REFIT_EVERY_DAYS = 28
SNAPSHOT_EVERY_DAYS = 7
HALF_LIFE_DAYS = 90.0
OWN_FIT_CUSTOMERS = 2_000
OWN_RIDGE = 30.0
PRIOR_RIDGE = 100.0
PRIOR_INTERCEPT_RIDGE = 1.0
MIXTURE_CUSTOMERS = 50
FEWEST_LABELS = 30
GUARD_LOG_LOSS = 0.002
"""Strengths and sizes measured on two public logs (docs/churn.md, fitting)."""

MAX_ROWS = 60_000
MAX_STRIDE = 8
MAX_MIXTURE_CUSTOMERS = 1_500
"""Caps on what a fit reads, so that its time does not grow with the company; customers are sampled by hash of id."""

DIGITS = 10
"""Fitted numbers are rounded to ten decimals: above the noise of a linear-algebra library's summation order."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Rows of a history at chosen days with labels: 1 when no purchase came within the horizon."""

    rows: Days
    days: Days
    labels: Floats
    weights: Floats


def fit(history: History, until_day: int, anchor_day: int, policy: SilencePolicy, version: int) -> Generation:
    """Return the generation fitted on what was known at the end of `until_day`; nothing later is looked at.

    Snapshots are taken every 7 days counted from `anchor_day`; those whose horizon ends by `until_day` are complete.
    """
    horizon = history.horizon_days
    known = history.as_of(until_day)
    columns = history.columns.take(known)
    n_repeat = int(np.count_nonzero(columns.n_gaps > 0))
    prior = prior_for(horizon, fit_log_amount(columns), version)
    if n_repeat < MIXTURE_CUSTOMERS:
        base = prior
    else:
        baseline = fit_baseline(columns, prior.baseline)
        sample = np.array([crc32(history.customer_ids[owner].encode()) for owner in history.customer[known]])
        mixture = fit_mixture(columns, until_day, horizon, sample)
        base = replace(prior, baseline=baseline, mixture=mixture)
    base = replace(base, fitted_until_day=until_day, n_repeat_customers=n_repeat)
    snapshots = snapshots_until(history, until_day, anchor_day, policy)
    n_leavers = int(snapshots.labels.sum())
    base = replace(base, n_rows=len(snapshots.rows))
    if min(n_leavers, len(snapshots.rows) - n_leavers) < FEWEST_LABELS:
        return _recentre(base, history, snapshots)
    return _fit_weights(base, history, snapshots, n_repeat)


def is_publishable(
    candidate: Generation,
    running: Generation,
    history: History,
    until_day: int,
    anchor_day: int,
    policy: SilencePolicy,
) -> bool:
    """Return whether `candidate` predicts the newest complete snapshots about as well as what is running."""
    snapshots = snapshots_until(history, until_day, anchor_day, policy, n_newest=4)
    if not len(snapshots.rows):
        return True
    return _log_loss(candidate, history, snapshots) <= _log_loss(running, history, snapshots) + GUARD_LOG_LOSS


def snapshots_until(
    history: History, until_day: int, anchor_day: int, policy: SilencePolicy, n_newest: int | None = None
) -> Snapshots:
    """Return the labelled snapshots that are complete by the end of `until_day`, newest first; at most `MAX_ROWS` rows.

    Weight .5 ** (age / 90 days), where age counts from the newest complete snapshot day.
    """
    horizon = round(history.horizon_days)
    newest = until_day - horizon
    newest -= (newest - anchor_day) % SNAPSHOT_EVERY_DAYS
    first = int(history.day.min()) if len(history.day) else newest + 1
    oldest = max(first, newest - 6 * round(HALF_LIFE_DAYS))
    days = list(range(newest, oldest - 1, -SNAPSHOT_EVERY_DAYS))[:n_newest]
    parts = [history.scored(day, policy.min_purchases, policy.lost_after_days) for day in days]
    n_rows = sum(len(part) for part in parts)
    # Snapshots a week apart say nearly the same of a customer: leave out days first, then customers.
    stride = min(-(-n_rows // MAX_ROWS), MAX_STRIDE) if n_newest is None else 1
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *parts[::stride]])
    day_of = np.repeat(np.array(days[::stride], dtype=np.int64), [len(part) for part in parts[::stride]])
    share = min(MAX_ROWS / max(len(rows), 1), 1.0)
    if share < 1.0:
        hashes = np.array([crc32(customer_id.encode()) for customer_id in history.customer_ids])
        kept = (hashes < share * 2**32)[history.customer[rows]]
        rows, day_of = rows[kept], day_of[kept]
    return Snapshots(
        rows=rows,
        days=day_of,
        labels=(history.next_purchase_day[rows] > day_of + horizon).astype(np.float64),
        weights=0.5 ** ((newest - day_of) / HALF_LIFE_DAYS) * stride / share,
    )


def fit_log_amount(columns: Columns) -> float | None:
    """Return the mean log(1 + day's total) over all purchase days, or None when no amounts are known."""
    n_amounts = float(columns.n_amounts.sum())
    return round(float((columns.mean_log_amount * columns.n_amounts).sum()) / n_amounts, DIGITS) if n_amounts else None


def fit_baseline(columns: Columns, prior: Baseline) -> Baseline:
    """Return the moments of log gaps within and between customers (one-way random effects, method of moments)."""
    repeat = columns.n_gaps > 0
    n, total, squares = columns.n_gaps[repeat], columns.sum_log_gap[repeat], columns.sum_log_gap_squared[repeat]
    n_customers, n_gaps = len(n), float(n.sum())
    if n_gaps - n_customers < MIXTURE_CUSTOMERS:
        return prior
    means = total / n
    within = max(float((squares - total * means).sum()) / (n_gaps - n_customers), 1e-3)
    grand = float(total.sum()) / n_gaps
    typical = (n_gaps - float((n * n).sum()) / n_gaps) / (n_customers - 1)
    between = (float((n * (means - grand) ** 2).sum()) / (n_customers - 1) - within) / typical
    kappa = within / max(between, within / 100.0)
    precision = n / (kappa + n)
    mu = float((precision * means).sum() / precision.sum())
    return Baseline(round(mu, DIGITS), round(within, DIGITS), round(kappa, DIGITS), prior.log_amount)


def fit_mixture(columns: Columns, until_day: int, horizon_days: float, hashes: NDArray[np.int64]) -> Mixture:
    """Return the maximum-likelihood mixture of the customers' gaps as of `until_day`.

    L-BFGS on log r, log α, log a, log b and softmax weights, time scaled so that the longest age is 10, penalty
    1e-5 · |θ|² on the mean log likelihood; one-time buyers are grouped by age, repeat customers sampled by `hashes`.
    """
    from scipy.optimize import minimize

    age = (until_day - columns.first_day + 1).astype(np.float64)
    scale = 10.0 / float(age.max())
    likelihood = _MixtureLikelihood(columns, age, scale, hashes)
    prior = prior_for(horizon_days).mixture
    start = np.array([log(prior.r), log(prior.alpha * scale), log(prior.a), log(prior.b), *np.log(prior.weights)])
    found = minimize(
        likelihood, start, jac=True, method="L-BFGS-B", bounds=[(-12.0, 12.0)] * 8, options={"maxiter": 150}
    )
    r, alpha, a, b = (round(exp(value), DIGITS) for value in found.x[:4])
    w = _softmax(found.x[4:])
    return Mixture(r, round(alpha / scale, DIGITS), a, b, (w[0], w[1], w[2], w[3]))


class _MixtureLikelihood:
    """Minus the penalised mean log likelihood of the mixture and its gradient, for L-BFGS."""

    def __init__(self, columns: Columns, age: Floats, scale: float, hashes: NDArray[np.int64]) -> None:
        repeat = np.flatnonzero(columns.n_gaps > 0)
        sampled = repeat[np.argsort(hashes[repeat], kind="stable")[:MAX_MIXTURE_CUSTOMERS]]
        once, counts = np.unique(age[columns.n_gaps == 0], return_counts=True)
        zeros = np.zeros(len(once))
        span = (columns.last_day - columns.first_day).astype(np.float64)
        self.x: Floats = np.concatenate([columns.n_gaps[sampled], zeros])
        self.span: Floats = scale * np.concatenate([span[sampled], zeros])
        self.silence: Floats = scale * np.concatenate([age[sampled] - span[sampled], once])
        self.log_gaps: Floats = np.concatenate(
            [columns.sum_log_gap[sampled] + columns.n_gaps[sampled] * log(scale), zeros]
        )
        share = len(repeat) / max(len(sampled), 1)
        weights = np.concatenate([np.full(len(sampled), share), counts])
        self.weights: Floats = weights / weights.sum()

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        from scipy.special import digamma

        r, alpha, a, b = np.exp(theta[:4])
        w = np.array(_softmax(theta[4:], DIGITS + 6))
        mixture = Mixture(float(r), float(alpha), float(a), float(b), (w[0], w[1], w[2], w[3]))
        classes = class_masses(self.x, self.span, self.log_gaps, mixture)
        d = classes.leaving_odds
        parts, by_r, by_alpha = [], [], []
        for k, mass, shape, scale in zip(REGULARITIES, classes.mass, classes.shape, classes.scale, strict=True):
            survival, survival_by_shape, survival_by_scale = _survival_gradient(k, shape, scale, self.silence)
            log_mass_by_r = digamma(shape) - digamma(r) + log(alpha / k) - np.log(scale)
            log_mass_by_alpha = r / alpha - shape / (k * scale)
            parts.append(mass * (d + survival))
            by_r.append(parts[-1] * log_mass_by_r + mass * survival_by_shape)
            by_alpha.append(parts[-1] * log_mass_by_alpha + mass * survival_by_scale / k)
        total = sum(parts[1:], parts[0])
        x = self.x
        left = np.array([lgamma(b + n + 1) - lgamma(a + b + n + 1) for n in range(int(x.max()) + 1)])[
            x.astype(np.int64)
        ]
        log_likelihood = left + lgamma(a + b) - lgamma(b) + np.log(total) + classes.log_norm
        by_d = classes.total / total
        joint, after = digamma(a + b), digamma(a + b + x + 1)
        gradients = [
            r * sum(by_r[1:], by_r[0]) / total,
            alpha * sum(by_alpha[1:], by_alpha[0]) / total,
            a * (joint - after + by_d / (b + x)),
            b * (digamma(b + x + 1) - after + joint - digamma(b) - by_d * d / (b + x)),
            *(part / total - weight for part, weight in zip(parts, w, strict=True)),
        ]
        gradient = np.array([float((self.weights * part).sum()) for part in gradients])
        value = float((self.weights * log_likelihood).sum())
        return -value + 1e-5 * float((theta * theta).sum()), -gradient + 2e-5 * theta


def _survival_gradient(k: int, shape: Floats, scale: Floats, silence_days: Floats) -> tuple[Floats, Floats, Floats]:
    ends = scale + silence_days
    z = silence_days / ends
    log_q = -np.log1p(silence_days / scale)
    term = np.exp(shape * log_q)
    by_shape_factor = log_q
    by_scale_factor = shape * (1.0 / scale - 1.0 / ends)
    survival, by_shape, by_scale = term, term * by_shape_factor, term * by_scale_factor
    for j in range(k - 1):
        term = term * (z * (shape + j) / (j + 1))
        by_shape_factor = by_shape_factor + 1.0 / (shape + j)
        by_scale_factor = by_scale_factor - 1.0 / ends
        survival = survival + term
        by_shape = by_shape + term * by_shape_factor
        by_scale = by_scale + term * by_scale_factor
    return survival, by_shape, by_scale


def _softmax(values: Floats, digits: int = DIGITS) -> tuple[float, ...]:
    powers = np.exp(values - values.max())
    return tuple(round(float(power), digits) for power in powers / powers.sum())


def _design(base: Generation, history: History, snapshots: Snapshots) -> Floats:
    columns = history.columns.take(snapshots.rows)
    return np.stack(terms(columns, snapshots.days - columns.last_day, base), axis=1)


def _standardise(values: Floats, means: Floats, deviations: Floats) -> Floats:
    clipped: Floats = np.clip((values - means) / deviations, -CLIP_DEVIATIONS, CLIP_DEVIATIONS)
    return clipped


def _fit_weights(base: Generation, history: History, snapshots: Snapshots, n_repeat: int) -> Generation:
    values = _design(base, history, snapshots)
    weights = snapshots.weights
    means = np.average(values, axis=0, weights=weights)
    deviations = np.sqrt(np.average((values - means) ** 2, axis=0, weights=weights))
    n_terms = values.shape[1]
    origin: Origin
    if n_repeat >= OWN_FIT_CUSTOMERS:
        origin = "own"
        deviations = np.where(deviations > 1e-6, deviations, 1.0)
        centre = np.zeros(n_terms + 1)
        ridge = np.array([0.0] + [OWN_RIDGE] * n_terms)
    else:
        # The prior's scale, the company's centre: weights mean the same, and a reason is measured from its own average.
        origin = "towards_prior"
        deviations = np.array(base.deviations)
        shift = float((np.array(base.weights) * (means - np.array(base.means)) / deviations).sum())
        centre = np.array([base.intercept + shift, *base.weights])
        ridge = np.array([PRIOR_INTERCEPT_RIDGE] + [PRIOR_RIDGE] * n_terms)
    beta = _logistic(_standardise(values, means, deviations), snapshots.labels, weights, centre, ridge)
    return replace(
        base,
        origin=origin,
        means=_rounded(means),
        deviations=_rounded(deviations),
        intercept=round(float(beta[0]), DIGITS),
        weights=_rounded(beta[1:]),
    )


def _recentre(base: Generation, history: History, snapshots: Snapshots) -> Generation:
    if not len(snapshots.rows):
        return base
    values = _standardise(_design(base, history, snapshots), np.array(base.means), np.array(base.deviations))
    offset = (values * np.array(base.weights)).sum(axis=1)
    nothing = np.zeros((len(values), 0))
    beta = _logistic(
        nothing,
        snapshots.labels,
        snapshots.weights,
        np.array([base.intercept]),
        np.array([PRIOR_INTERCEPT_RIDGE]),
        offset,
    )
    return replace(base, origin="prior_recentred", intercept=round(float(beta[0]), DIGITS))


def _logistic(
    x: Floats, y: Floats, weights: Floats, centre: Floats, ridge: Floats, offset: Floats | float = 0.0
) -> Floats:
    """Return the coefficients (intercept first) minimising weighted log loss + ½ Σ ridge · (β - centre)².

    Newton with step halving: the plain method diverges from a confident start.
    """
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def objective(beta: Floats) -> float:
        logit = design @ beta + offset
        loss = np.logaddexp(0.0, logit) - y * logit
        return float((weights * loss).sum() + 0.5 * (ridge * (beta - centre) ** 2).sum())

    beta = centre.copy()
    value = objective(beta)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(design @ beta + offset)))
        gradient = design.T @ (weights * (p - y)) + ridge * (beta - centre)
        curvature = (design * (weights * p * (1.0 - p))[:, None]).T @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        while length > 1e-6 and objective(beta - length * step) > value:
            length /= 2.0
        moved = beta - length * step
        new_value = objective(moved)
        if new_value >= value:
            break
        beta = moved
        if value - new_value < 1e-10 * (1.0 + abs(value)):
            break
        value = new_value
    return beta


def _log_loss(generation: Generation, history: History, snapshots: Snapshots) -> float:
    columns = history.columns.take(snapshots.rows)
    p = np.clip(risk(columns, snapshots.days - columns.last_day, generation), 1e-6, 1.0 - 1e-6)
    loss = -(snapshots.labels * np.log(p) + (1.0 - snapshots.labels) * np.log(1.0 - p))
    return float((snapshots.weights * loss).sum() / snapshots.weights.sum())


def _rounded(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(round(float(value), DIGITS) for value in values)
