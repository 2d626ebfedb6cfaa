"""A customer's risk in the words of the contract: probability, reasons, tier, next purchase, value at stake."""

import sys
from datetime import datetime
from math import exp

from services.churn_alerts.alert.evidence import RiskFacts, risk_reasons
from services.churn_alerts.alert.tier import TierCuts, tier_of
from services.churn_alerts.customer.checks import View
from services.churn_alerts.customer.generation import GROUP_NAMES, Generation
from services.churn_alerts.customer.in_force import Basis
from services.churn_alerts.customer.model import DAY_MS, Purchases
from services.churn_alerts.customer.purchases import mean_recent_log_amount, statistics
from shared.clock import from_ms
from shared.contracts.alert import Risk, Tier


def tier_at_purchase(purchases: Purchases, generation: Generation, cuts: TierCuts) -> Tier:
    """Return the customer's tier on the day of his last purchase."""
    run = statistics(purchases)
    if run is None:
        return "new"
    usual = generation.baseline.log_amount
    money = exp(mean_recent_log_amount(run) - usual) if usual is not None and run.n_amounts else None
    return tier_of(run.n_days, 0.0, run.decayed_middle, money, cuts)


def risk_of(view: View, purchases: Purchases, as_of: datetime, tier: Tier, currency: str, basis: Basis) -> Risk:
    """Return the calibrated risk of the view, as of an instant, with its three strongest reasons."""
    generation = view.generation
    gap = view.usual_gap_days
    last_day = purchases.last_day
    next_ms = None if last_day is None else last_day * DAY_MS + round(min(gap, 3650.0) * DAY_MS)
    facts = RiskFacts(view.silence_days, gap, view.n_purchases, basis == "contacts")
    return Risk(
        p_churn=view.p,
        horizon_days=generation.horizon_days,
        as_of=as_of,
        generation=generation.version,
        is_prior=generation.is_prior,
        reasons=risk_reasons(GROUP_NAMES, view.contributions, facts),
        silence_days=float(view.silence_days),
        usual_gap_days=round(gap, 2),
        expected_next_at=None if next_ms is None else from_ms(next_ms),
        tier=tier,
        residual_value=view.residual_value,
        expected_loss=None if view.residual_value is None else round(view.p * view.residual_value, 2),
        # A default is left out of the JSON if it is the same object: one read back with a state is another.
        currency=sys.intern(currency),
    )
