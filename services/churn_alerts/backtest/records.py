"""A backtest's schedule as the control records that make a running processor decide the same."""

from msgspec.structs import replace

from services.churn_alerts.alert.rules import FIRST_VERSION, Rules, SilenceRules, to_document
from services.churn_alerts.backtest.replay import Replay
from services.churn_alerts.customer.generation import to_model
from services.churn_alerts.customer.in_force import MODELS
from services.churn_alerts.customer.model import end_of_day_ms
from shared.clock import from_ms
from shared.contracts.control import ModelPublished, RulesPublished


def control_records(result: Replay, rules: Rules) -> list[ModelPublished | RulesPublished]:
    """Return the generations and thresholds of a replay in the order they came into force.

    `rules` are the company's, into which the replay's silence policy and thresholds are put. The first records hold
    from the day before the first order, as the replay judges everything before its start by them.
    """
    options, policy = result.options, result.options.policy
    silence = SilenceRules(
        horizon_days=options.horizon_days,
        window_days=policy.window_days,
        lost_after_days=policy.lost_after_days,
        min_events=policy.min_purchases,
    )
    records: list[ModelPublished | RulesPublished] = []
    for index, entry in enumerate(result.schedule):
        in_force_at = from_ms(end_of_day_ms(entry.from_day if index else result.first_day - 2))
        thresholds = dict.fromkeys(rules.silence_thresholds, entry.threshold)
        document = to_document(replace(rules, purchases=silence, silence_thresholds=thresholds))
        records.append(
            ModelPublished(
                name=MODELS["orders"],
                version=entry.generation.version,
                in_force_at=in_force_at,
                model=to_model(entry.generation),
            )
        )
        version = FIRST_VERSION + 1 + index
        records.append(RulesPublished(version=version, in_force_at=in_force_at, rules=document))
    return records
