"""Maximum likelihood with few parameters: damped scoring, which needs each customer's gradient and nothing else."""

from collections.abc import Callable

import numpy as np

from services.churn_alerts.customer.columns import Floats

PENALTY = 1e-5
"""On the squared parameters, beside the mean log likelihood: holds what the data does not determine."""

BOUND = 12.0
MAX_STEPS = 60
SETTLED = 1e-6

Contributions = Callable[[Floats], tuple[Floats, Floats]]
"""At parameters: each customer's log likelihood (n,) and its gradient (parameters, n)."""


def maximise(contributions: Contributions, weights: Floats, start: Floats) -> Floats:
    """Return the parameters with the highest weighted mean log likelihood, starting from `start`.

    Newton's method with the outer product of the gradients for the curvature and Levenberg's damping.
    Source: Berndt, Hall, Hall & Hausman, Estimation and Inference in Nonlinear Structural Models (1974).
    """
    shares = weights / weights.sum()

    def at(theta: Floats) -> tuple[float, Floats, Floats]:
        log_likelihood, gradients = contributions(theta)
        weighted = gradients * shares
        loss = -float((shares * log_likelihood).sum()) + PENALTY * float((theta * theta).sum())
        information = np.einsum("in,jn->ij", weighted, gradients) + 2.0 * PENALTY * np.eye(len(theta))
        return loss, -weighted.sum(axis=1) + 2.0 * PENALTY * theta, information

    theta = start
    loss, gradient, information = at(theta)
    damping = 1e-3
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(information + damping * np.diag(np.diag(information)), gradient)
        moved = np.clip(theta - np.clip(step, -1.0, 1.0), -BOUND, BOUND)
        new_loss, new_gradient, new_information = at(moved)
        if not new_loss <= loss:
            damping *= 8.0
            if damping > 1e6:
                break
            continue
        gain = loss - new_loss
        theta, loss, gradient, information = moved, new_loss, new_gradient, new_information
        damping = max(damping / 8.0, 1e-6)
        if gain < SETTLED:
            break
    return theta
