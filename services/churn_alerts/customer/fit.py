"""How a generation is fitted from the past alone: baseline, mixture, then the logistic.

The same orders give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from services.churn_alerts.customer.columns import Columns, Days, Floats
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.features import standings, terms
from services.churn_alerts.customer.floor import with_best_floor
from services.churn_alerts.customer.generation import (
    DIGITS,
    REGULARITIES,
    TERMS,
    Baseline,
    Generation,
    Mixture,
    prior_for,
)
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.level import returned, with_level
from services.churn_alerts.customer.maximum import maximise
from services.churn_alerts.customer.mixture import class_masses, digamma, log_gamma
from services.churn_alerts.customer.model import refit_days
from services.churn_alerts.customer.score import CLIP_DEVIATIONS, by_state, risk_of_rows
from services.churn_alerts.customer.value import fit_spend
from services.churn_alerts.customer.whole_numbers import WholeNumbers

REFIT_EVERY_DAYS = 28
SNAPSHOT_EVERY_DAYS = 7
HALF_LIFE_DAYS = 90.0
RIDGE = 100.0
INTERCEPT_RIDGE = 1.0
MIXTURE_CUSTOMERS = 50
FEWEST_LABELS = 30
GUARD_LOG_LOSS = 0.002
"""Strengths and sizes measured on public logs (docs/churn.md, fitting)."""

MAX_ROWS = 60_000
MAX_STRIDE = 8
MAX_MIXTURE_CUSTOMERS = 1_500
"""Caps on what a fit reads, so that its time does not grow with the company; customers are sampled by hash of id."""

ROUGH_STRIDE = 10
"""Newton starts from the solution on every tenth row, which saves most of its steps on all rows."""

BLOCK_ROWS = 256
BLOCKS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Rows of a history at chosen days with labels: 1 when no purchase came within the horizon."""

    rows: Days
    days: Days
    labels: Floats
    weights: Floats


def fit(history: History, until_day: int, anchor_day: int, policy: SilencePolicy, version: int) -> Generation:
    """Return the generation fitted on what was known at the end of `until_day`; nothing later is looked at.

    Its level is that of its own past alone; `with_level` adds what the generations before it remember.

    Snapshots are taken every 7 days counted from `anchor_day`; those whose horizon ends by `until_day` are complete.
    """
    horizon = history.horizon_days
    known = history.as_of(until_day)
    columns = history.columns.take(known)
    hashes = history.id_hash[history.customer[known]]
    n_repeat = int(np.count_nonzero(columns.n_gaps > 0))
    prior = prior_for(horizon, fit_log_amount(columns), version)
    if n_repeat < MIXTURE_CUSTOMERS:
        base = prior
    else:
        gaps = (columns.n_gaps, columns.sum_log_gap, columns.sum_log_gap_squared)
        baseline = fit_baseline(*gaps, prior.baseline)
        mixture = fit_mixture(columns, until_day, horizon, hashes)
        base = replace(prior, baseline=baseline, mixture=mixture)
    spend = fit_spend(columns.n_amounts, columns.mean_amount, hashes)
    seen = returned(history, until_day, policy)
    base = replace(base, fitted_until_day=until_day, n_repeat_customers=n_repeat, spend=spend, returned=seen)
    snapshots = snapshots_until(history, until_day, anchor_day, policy)
    n_leavers = int(snapshots.labels.sum())
    base = replace(base, n_rows=len(snapshots.rows))
    if min(n_leavers, len(snapshots.rows) - n_leavers) < FEWEST_LABELS:
        return _recentre(base, history, snapshots) if n_repeat < MIXTURE_CUSTOMERS else _score_by_mixture(base)
    return with_level(with_best_floor(_fit_weights(base, history, snapshots), history, until_day, policy), None)


def is_publishable(
    candidate: Generation,
    running: Generation,
    history: History,
    until_day: int,
    anchor_day: int,
    policy: SilencePolicy,
) -> bool:
    """Return whether `candidate` predicts the newest complete snapshots about as well as what is running.

    Both without their levels, which are of the newest weeks and not of a horizon ago.
    """
    snapshots = snapshots_until(history, until_day, anchor_day, policy, n_newest=4)
    if not len(snapshots.rows):
        return True
    losses = [_log_loss(replace(generation, level=0.0), history, snapshots) for generation in (candidate, running)]
    return losses[0] <= losses[1] + GUARD_LOG_LOSS


def snapshots_until(
    history: History, until_day: int, anchor_day: int, policy: SilencePolicy, n_newest: int | None = None
) -> Snapshots:
    """Return the labelled snapshots that are complete by the end of `until_day`, newest first; at most `MAX_ROWS` rows.

    They reach back as far as a state keeps single days, so that a refit from states reads what one from a log reads.
    Weight .5 ** (age / 90 days), where age counts from the newest complete snapshot day.
    """
    horizon = round(history.horizon_days)
    newest = until_day - horizon
    newest -= (newest - anchor_day) % SNAPSHOT_EVERY_DAYS
    first = int(history.day.min()) if len(history.day) else newest + 1
    oldest = max(first, until_day - refit_days(horizon))
    days = list(range(newest, oldest - 1, -SNAPSHOT_EVERY_DAYS))[:n_newest]
    parts = [history.scored(day, policy.min_purchases, policy.lost_after_days) for day in days]
    n_rows = sum(len(part) for part in parts)
    # Snapshots a week apart say nearly the same of a customer: leave out days first, then customers.
    stride = min(max(-(-n_rows // MAX_ROWS), 1), MAX_STRIDE) if n_newest is None else 1
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *parts[::stride]])
    day_of = np.repeat(np.array(days[::stride], dtype=np.int64), [len(part) for part in parts[::stride]])
    share = min(MAX_ROWS / max(len(rows), 1), 1.0)
    if share < 1.0:
        kept = history.id_hash[history.customer[rows]] < share * 2**32
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


def fit_baseline(n_gaps: Floats, sum_log_gap: Floats, sum_squares: Floats, prior: Baseline) -> Baseline:
    """Return the moments of log gaps within and between customers (one-way random effects, method of moments)."""
    repeat = n_gaps > 0
    n, total, squares = n_gaps[repeat], sum_log_gap[repeat], sum_squares[repeat]
    n_customers, n_all = len(n), float(n.sum())
    if n_all - n_customers < MIXTURE_CUSTOMERS:
        return prior
    means = total / n
    within = max(float((squares - total * means).sum()) / (n_all - n_customers), 1e-3)
    grand = float(total.sum()) / n_all
    typical = (n_all - float((n * n).sum()) / n_all) / (n_customers - 1)
    between = (float((n * (means - grand) ** 2).sum()) / (n_customers - 1) - within) / typical
    kappa = within / max(between, within / 100.0)
    precision = n / (kappa + n)
    mu = float((precision * means).sum() / precision.sum())
    return Baseline(round(mu, DIGITS), round(within, DIGITS), round(kappa, DIGITS), prior.log_amount)


def fit_mixture(columns: Columns, until_day: int, horizon_days: float, hashes: NDArray[np.uint32]) -> Mixture:
    """Return the maximum-likelihood mixture of the customers' gaps as of `until_day`.

    Over log r, log α, log a, log b and softmax weights, time scaled so that the longest age is 10; one-time buyers are
    grouped by age, repeat customers sampled by `hashes`.
    """
    age = (until_day - columns.first_day + 1).astype(np.float64)
    scale = 10.0 / float(age.max())
    sample = _MixtureSample(columns, age, scale, hashes)
    prior = prior_for(horizon_days).mixture
    start = np.array([log(prior.r), log(prior.alpha * scale), log(prior.a), log(prior.b), *np.log(prior.weights)])
    theta = maximise(sample.contributions, sample.weights, start)
    r, alpha, a, b = (round(exp(value), DIGITS) for value in theta[:4])
    w = _softmax(theta[4:])
    return Mixture(r, round(alpha / scale, DIGITS), a, b, (w[0], w[1], w[2], w[3]))


class _MixtureSample:
    """The customers a mixture is fitted on, their weights, and their log likelihoods with gradients."""

    def __init__(self, columns: Columns, age: Floats, scale: float, hashes: NDArray[np.uint32]) -> None:
        repeat = np.flatnonzero(columns.n_gaps > 0)
        sampled = repeat[np.argsort(hashes[repeat], kind="stable")[:MAX_MIXTURE_CUSTOMERS]]
        once, counts = np.unique(age[columns.n_gaps == 0], return_counts=True)
        zeros = np.zeros(len(once))
        span = (columns.last_day - columns.first_day).astype(np.float64)
        log_gaps = columns.sum_log_gap[sampled] + columns.n_gaps[sampled] * log(scale)
        self.x: Floats = np.concatenate([columns.n_gaps[sampled], zeros])
        # Even of few customers many share a count, and a digamma costs as much as twenty sums.
        self.counts = WholeNumbers(self.x, least=1)
        self.span: Floats = scale * np.concatenate([span[sampled], zeros])
        self.silence: Floats = scale * np.concatenate([age[sampled] - span[sampled], once])
        self.log_gaps: Floats = np.concatenate([log_gaps, zeros])
        share = len(repeat) / max(len(sampled), 1)
        self.weights: Floats = np.concatenate([np.full(len(sampled), share), counts])

    def contributions(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the log likelihoods and their gradients by log r, log α, log a, log b and the weight logits."""
        r, alpha, a, b = (exp(value) for value in theta[:4])
        w = _softmax(theta[4:], DIGITS + 6)
        x = self.x
        classes = class_masses(x, self.span, self.log_gaps, Mixture(r, alpha, a, b, (w[0], w[1], w[2], w[3])))
        d = classes.leaving_odds
        by_shape = self.counts.each(lambda n: np.stack([digamma(r + k * n) for k in REGULARITIES]))
        at_r = _digamma(r)
        parts, by_r, by_alpha = [], [], []
        of_classes = zip(REGULARITIES, classes.mass, classes.shape, classes.scale, by_shape, strict=True)
        for k, mass, shape, scale, digamma_of_shape in of_classes:
            survival, survival_by_shape, survival_by_scale = _survival_gradient(k, shape, scale, self.silence)
            log_mass_by_r = digamma_of_shape - at_r + log(alpha / k) - np.log(scale)
            log_mass_by_alpha = r / alpha - shape / (k * scale)
            parts.append(mass * (d + survival))
            by_r.append(parts[-1] * log_mass_by_r + mass * survival_by_shape)
            by_alpha.append(parts[-1] * log_mass_by_alpha + mass * survival_by_scale / k)
        total = ((parts[0] + parts[1]) + parts[2]) + parts[3]
        stays = self.counts.each(
            lambda n: log_gamma(b + n + 1) - log_gamma(a + b + n + 1) + (lgamma(a + b) - lgamma(b))
        )
        log_likelihood = stays + np.log(total) + classes.log_norm
        by_d = classes.total / total
        joint, after = _digamma(a + b), self.counts.each(lambda n: digamma(a + b + n + 1))
        by_b = self.counts.each(lambda n: digamma(b + n + 1))
        gradients = np.stack(
            [
                r * (((by_r[0] + by_r[1]) + by_r[2]) + by_r[3]) / total,
                alpha * (((by_alpha[0] + by_alpha[1]) + by_alpha[2]) + by_alpha[3]) / total,
                a * (joint - after + by_d / (b + x)),
                b * (by_b - after + joint - _digamma(b) - by_d * d / (b + x)),
                *(part / total - weight for part, weight in zip(parts, w, strict=True)),
            ]
        )
        return log_likelihood, gradients


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


def _digamma(z: float) -> float:
    return float(digamma(np.array([z]))[0])


def _softmax(values: Floats, digits: int = DIGITS) -> tuple[float, ...]:
    powers = np.exp(values - values.max())
    return tuple(round(float(power), digits) for power in powers / powers.sum())


def _design(base: Generation, history: History, snapshots: Snapshots) -> Floats:
    design = np.empty((len(snapshots.rows), len(TERMS)))
    silence_days = snapshots.days - history.columns.last_day[snapshots.rows]
    for asked, states, at in by_state(snapshots.rows):
        known = standings(history.columns.take(states), base)
        design[asked] = np.stack(terms(known, silence_days[asked], base, at), axis=1)
    return design


def _standardise(values: Floats, means: Floats, deviations: Floats) -> Floats:
    scaled = values - means
    scaled /= deviations
    return np.clip(scaled, -CLIP_DEVIATIONS, CLIP_DEVIATIONS, out=scaled)


def _score_by_mixture(base: Generation) -> Generation:
    """Return the generation whose risk is S_mix of its mixture: what the company's gaps say before outcomes are known.

    Better calibrated there than the shipped weights on all logs tried (docs/churn.md).
    """
    return replace(base, origin="mixture", intercept=base.means[0], weights=_mixture_weights(base.deviations))


def _mixture_weights(deviations: Sequence[float]) -> tuple[float, ...]:
    """Return the weights of the standardised terms under which the log-odds are those of S_mix, up to the intercept."""
    return (deviations[0], *[0.0] * (len(deviations) - 1))


def _fit_weights(base: Generation, history: History, snapshots: Snapshots) -> Generation:
    """Return the generation whose weights fit the labels, drawn to what the shipped weights and S_mix say together.

    The one knows how customers of other companies behave, the other this company's rhythms; each alone misleads
    somewhere. So the labels first say how much either is worth, from half and half on, and then what neither knows
    (docs/churn.md).
    """
    values = _design(base, history, snapshots)
    means = np.average(values, axis=0, weights=snapshots.weights)
    # The prior's scale, the company's centre: weights mean the same, and a reason is measured from its own average.
    deviations = np.array(base.deviations)
    x = _standardise(values, means, deviations)
    shift = float((np.array(base.weights) * (means - np.array(base.means)) / deviations).sum())
    shipped, mixture = np.array(base.weights), np.array(_mixture_weights(base.deviations))
    said = np.stack([np.einsum("ni,i->n", x, shipped), np.einsum("ni,i->n", x, mixture)], axis=1)
    halves = np.array([(base.intercept + shift + float(means[0])) / 2.0, 0.5, 0.5])
    level, *worth = _logistic(said, snapshots, halves, _ridge(2)).tolist()
    centre = np.array([level, *(worth[0] * shipped + worth[1] * mixture)])
    beta = _logistic(x, snapshots, centre, _ridge(len(shipped)))
    return replace(
        base,
        origin="own",
        means=_rounded(means),
        intercept=round(float(beta[0]), DIGITS),
        weights=_rounded(beta[1:]),
    )


def _ridge(n_terms: int) -> Floats:
    return np.array([INTERCEPT_RIDGE] + [RIDGE] * n_terms)


def _recentre(base: Generation, history: History, snapshots: Snapshots) -> Generation:
    if not len(snapshots.rows):
        return base
    values = _standardise(_design(base, history, snapshots), np.array(base.means), np.array(base.deviations))
    offset = (values * np.array(base.weights)).sum(axis=1)
    nothing = np.zeros((len(values), 0))
    beta = _logistic(nothing, snapshots, np.array([base.intercept]), _ridge(0), offset)
    return replace(base, origin="prior_recentred", intercept=round(float(beta[0]), DIGITS))


def _logistic(x: Floats, snapshots: Snapshots, centre: Floats, ridge: Floats, offset: Floats | float = 0.0) -> Floats:
    """Return the coefficients (intercept first) minimising weighted log loss + ½ Σ ridge · (β - centre)².

    Newton with step halving: the plain method diverges from a confident start.
    """
    y, weights = snapshots.labels, snapshots.weights
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    rough = np.arange(0, len(x), ROUGH_STRIDE)
    offsets = np.broadcast_to(offset, len(x))
    few = (design[rough], y[rough], weights[rough] * (len(x) / max(len(rough), 1)), offsets[rough])
    start = _newton(*few, centre, ridge, centre)
    return _newton(design, y, weights, offsets, centre, ridge, start)


def _newton(
    design: Floats, y: Floats, weights: Floats, offset: Floats, centre: Floats, ridge: Floats, start: Floats
) -> Floats:
    def at(beta: Floats) -> tuple[float, Floats]:
        """Return the loss at `beta`, and the log-odds there."""
        logit = np.einsum("ni,i->n", design, beta)
        logit += offset
        # log(1 + e^logit), without overflow; in place, for what is new memory costs more than what is computed.
        loss = np.abs(logit)
        np.negative(loss, out=loss)
        np.log1p(np.exp(loss, out=loss), out=loss)
        loss += np.maximum(logit, 0.0)
        loss -= y * logit
        loss *= weights
        return float(loss.sum() + 0.5 * (ridge * (beta - centre) ** 2).sum()), logit

    beta = start.copy()
    value, logit = at(beta)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-logit))
        gradient = np.einsum("ni,n->i", design, weights * (p - y)) + ridge * (beta - centre)
        curvature = _gram(design, weights * p * (1.0 - p)) + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        moved = beta - step
        new_value, new_logit = at(moved)
        while new_value > value and length > 1e-6:
            length /= 2.0
            moved = beta - length * step
            new_value, new_logit = at(moved)
        if new_value >= value:
            break
        is_settled = value - new_value < 1e-9 * (1.0 + abs(value))
        beta, value, logit = moved, new_value, new_logit
        if is_settled:
            break
    return beta


def _gram(design: Floats, weights: Floats) -> Floats:
    # Blocks too small for the linear-algebra library to spread over threads: the sum is the same on any machine load.
    # Many blocks a call: fits run side by side, and between two calls a thread may have to wait for another.
    n_terms = design.shape[1]
    total = np.zeros((n_terms, n_terms))
    for start in range(0, len(design), BLOCK_ROWS * BLOCKS_AT_ONCE):
        part = design[start : start + BLOCK_ROWS * BLOCKS_AT_ONCE]
        weighted = part * weights[start : start + len(part), None]
        n_whole = len(part) // BLOCK_ROWS * BLOCK_ROWS
        shape = (-1, BLOCK_ROWS, n_terms)
        for product in weighted[:n_whole].reshape(shape).transpose(0, 2, 1) @ part[:n_whole].reshape(shape):
            total += product
        total += weighted[n_whole:].T @ part[n_whole:]
    return total


def _log_loss(generation: Generation, history: History, snapshots: Snapshots) -> float:
    silence_days = snapshots.days - history.columns.last_day[snapshots.rows]
    p = np.clip(risk_of_rows(history.columns, snapshots.rows, silence_days, generation), 1e-6, 1.0 - 1e-6)
    loss = -(snapshots.labels * np.log(p) + (1.0 - snapshots.labels) * np.log(1.0 - p))
    return float((snapshots.weights * loss).sum() / snapshots.weights.sum())


def _rounded(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(round(float(value), DIGITS) for value in values)
