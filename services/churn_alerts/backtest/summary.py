"""A replay in figures: what `report.json` holds and `report.html` draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.backtest.caution import Caution, Judged, cautions, several_currencies, unusual_end
from services.churn_alerts.backtest.contacts import Contacts
from services.churn_alerts.backtest.measure import (
    Ranking,
    ReliabilityBin,
    Rule,
    alert_quality,
    calibration_error,
    iso,
    kaplan_meier,
    precision_recall_points,
    reliability,
    roc_auc,
    roc_points,
)
from services.churn_alerts.backtest.orders import Orders
from services.churn_alerts.backtest.replay import Replay
from services.churn_alerts.customer.due import NEVER, in_force_at
from services.churn_alerts.customer.generation import GROUP_NAMES
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.score import score

SHOWN_ALERTS = 25
COHORT_MONTHS = 12
DAYS_APART = 2**22
"""More days than any log spans: keeps silences of different customers apart in one integer key."""


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """One alert as the company would have seen it, and what became of the customer."""

    customer_id: str
    date: str
    silence_days: int
    score: float
    reasons: list[tuple[str, float]]
    n_contacts: int | None
    n_troubles: int | None
    returned_after_days: int | None


@dataclass(frozen=True, slots=True)
class Contacted:
    """Of the alerts with known outcome: how many followed trouble within 30 days, and how often each kind was right."""

    n_events: int
    n_rejected: int
    n_after_trouble: int
    precision_after_trouble: float
    n_others: int
    precision_of_others: float


@dataclass(frozen=True, slots=True)
class Cohort:
    """Customers by month of first purchase; `active[k]` is the share that bought in the k-th month after it."""

    month: str
    n_customers: int
    active: list[float]


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything the report shows. Dates are ISO; days are days."""

    options: dict[str, Any]
    data: dict[str, Any]
    rankings: list[Ranking]
    n_scored_rows: int
    churn_rate: float
    rules: list[Rule]
    reliability: list[ReliabilityBin]
    roc: dict[str, list[tuple[float, float]]]
    precision_recall: list[tuple[float, float]]
    auc_by_checkpoint: list[tuple[str, float]]
    alerts_per_week: list[tuple[str, int]]
    fixed_per_week: list[tuple[str, int]]
    leads: list[tuple[int, int]]
    generations: list[dict[str, Any]]
    survival: list[float]
    cohorts: list[Cohort]
    seen: list[SeenAlert]
    contacted: Contacted | None
    warnings: list[Caution]


def summarise(history: History, replay: Replay, orders: Orders, contacts: Contacts | None = None) -> Summary:
    """Return the figures of a replay; this is hindsight, so it may look at what came after each decision."""
    scored, last_day = replay.scored, replay.last_day
    options, policy = replay.options, replay.options.policy
    horizon = options.horizon_days
    complete = scored.day + horizon <= last_day
    row, day, p = scored.row[complete], scored.day[complete], scored.p[complete]
    is_silent = history.next_purchase_day[row] > day + horizon
    silence = (day - history.columns.last_day[row]).astype(np.float64)
    rankings = [
        Ranking("pulseline", roc_auc(p, is_silent), calibration_error(p, is_silent)),
        Ranking("recency", roc_auc(silence, is_silent), None),
        Ranking("fixed_rule", roc_auc((silence >= policy.window_days).astype(np.float64), is_silent), None),
    ]
    rules = _rules(history, replay)
    return Summary(
        options={
            "start": iso(options.start_day),
            "horizon_days": horizon,
            "lost_after_days": policy.lost_after_days,
            "min_purchases": policy.min_purchases,
            "every_days": options.every_days,
            "fixed_rule_days": policy.window_days,
            "capacity_per_day": options.alerts_per_day,
            "usual_gap_days": round(options.usual_gap_days, 1),
            "chosen_from_data": list(options.chosen),
            "why": [{"english": why.english, "chinese": why.chinese} for why in options.why],
        },
        data={
            "n_rows": orders.n_rows,
            "n_customers": len(history.customer_ids),
            "n_repeat_customers": int(np.count_nonzero(history.columns_at_end().n_gaps > 0)),
            "n_purchase_days": int(np.count_nonzero(history.is_purchase)),
            "n_returns": sum(len(days) for days in orders.returns.values()),
            "n_negative_amounts_taken_as_returns": orders.n_negative_amounts,
            "n_without_amount": orders.n_without_amount,
            "n_repeated_rows_dropped": orders.repeats.n_dropped,
            "n_equal_rows_kept": orders.repeats.n_kept,
            "n_without_customer": orders.n_without_customer,
            "n_rejected": orders.n_rejected,
            "rejected": [{"line": entry.line, "reason": entry.reason} for entry in orders.rejected],
            "date_order": orders.date_order,
            "decimal_sign": orders.amount_form.decimal,
            "currency": orders.amount_form.currency or _only(orders.n_in_currency),
            "columns_ignored": orders.columns_ignored,
            "first_day": iso(replay.first_day),
            "last_day": iso(last_day),
        },
        rankings=rankings,
        n_scored_rows=len(row),
        churn_rate=float(is_silent.mean()) if len(row) else 0.0,
        rules=rules,
        reliability=reliability(p, is_silent),
        roc={"pulseline": roc_points(p, is_silent), "recency": roc_points(silence, is_silent)} if len(row) else {},
        precision_recall=precision_recall_points(p, is_silent) if len(row) else [],
        auc_by_checkpoint=[
            (iso(int(checkpoint)), roc_auc(p[day == checkpoint], is_silent[day == checkpoint]))
            for checkpoint in np.unique(day)
        ],
        alerts_per_week=_per_week(replay.alerts.day, replay),
        fixed_per_week=_per_week(_fixed_rule_days(history, replay), replay),
        leads=_leads(replay),
        generations=[
            {
                "in_force_from": iso(entry.from_day),
                "version": entry.generation.version,
                "origin": entry.generation.origin,
                "n_repeat_customers": entry.generation.n_repeat_customers,
                "floor_window_share": entry.generation.floor_window_share,
                "floor_gap_share": entry.generation.floor_gap_share,
                "threshold": entry.threshold,
            }
            for entry in replay.schedule
        ],
        survival=_survival(history, replay),
        cohorts=_cohorts(history, replay),
        seen=_seen(history, replay, contacts),
        contacted=_contacted(history, replay, contacts) if contacts else None,
        warnings=[
            *cautions(
                rankings,
                rules,
                Judged(day, history.customer[row], p, is_silent),
                has_capacity=options.alerts_per_day is not None,
            ),
            *unusual_end(history, policy, last_day),
            *several_currencies(orders.n_in_currency),
        ],
    )


def _only(n_in_currency: Mapping[str, int]) -> str:
    return next(iter(n_in_currency)) if len(n_in_currency) == 1 else ""


def _rules(history: History, replay: Replay) -> list[Rule]:
    """Over silences that began after the start and whose outcome is complete: lost plus a horizon, in the data."""
    options, policy = replay.options, replay.options.policy
    newest = replay.last_day - policy.lost_after_days - options.horizon_days
    rows = np.flatnonzero(
        history.is_purchase
        & (history.columns.n_gaps + 1 >= policy.min_purchases)
        & (history.day >= options.start_day)
        & (history.day <= newest)
    )
    gaps = history.next_purchase_day[rows] - history.day[rows]
    silence_of = history.customer * DAYS_APART + history.columns.last_day
    silences, alerted = silence_of[rows], silence_of[replay.alerts.row]
    is_judged = np.isin(alerted, silences)
    raised = np.full(len(rows), NEVER, dtype=np.int64)
    raised[np.searchsorted(silences, alerted[is_judged])] = replay.alerts.silence_days[is_judged]
    rules = [Rule("pulseline", alert_quality(gaps, raised, options.horizon_days, policy.lost_after_days))]
    for name, window in (
        ("fixed_rule", policy.window_days),
        ("fixed_rule_half", max(policy.window_days // 2, 1)),
        ("fixed_rule_three_halves", policy.window_days * 3 // 2),
    ):
        alerted_at = np.where((gaps > window) & (window < policy.lost_after_days), window, NEVER)
        rules.append(Rule(name, alert_quality(gaps, alerted_at, options.horizon_days, policy.lost_after_days)))
    return rules


def _fixed_rule_days(history: History, replay: Replay) -> NDArray[np.int64]:
    policy = replay.options.policy
    rows = np.flatnonzero(history.is_purchase & (history.columns.n_gaps + 1 >= policy.min_purchases))
    due = history.day[rows] + policy.window_days
    happened = (history.next_purchase_day[rows] > due) & (due >= replay.options.start_day) & (due <= replay.last_day)
    return due[happened]


def _per_week(days: NDArray[np.int64], replay: Replay) -> list[tuple[str, int]]:
    start = replay.options.start_day
    n_weeks = max((replay.last_day - start) // 7 + 1, 0)
    counts = np.bincount((days - start) // 7, minlength=n_weeks)[:n_weeks]
    return [(iso(start + 7 * week), int(count)) for week, count in enumerate(counts)]


def _leads(replay: Replay) -> list[tuple[int, int]]:
    leads = replay.options.policy.lost_after_days - replay.alerts.silence_days
    values, counts = np.unique(leads, return_counts=True)
    return [(int(value), int(count)) for value, count in zip(values, counts, strict=True)]


def _survival(history: History, replay: Replay) -> list[float]:
    repeat = np.flatnonzero(history.is_purchase & (history.columns.n_gaps + 1 >= replay.options.policy.min_purchases))
    until = min(2 * replay.options.policy.lost_after_days, replay.last_day - replay.first_day)
    returned = history.next_purchase_day[repeat] <= replay.last_day
    ended = np.where(returned, history.next_purchase_day[repeat], replay.last_day)
    return [round(float(share), 5) for share in kaplan_meier(ended - history.day[repeat], returned, until)]


def _cohorts(history: History, replay: Replay) -> list[Cohort]:
    months = (np.datetime64("1970-01-01") + history.day).astype("datetime64[M]").astype(np.int64)
    firsts = (np.datetime64("1970-01-01") + history.columns.first_day).astype("datetime64[M]").astype(np.int64)
    last_month = int(np.datetime64(iso(replay.last_day), "M").astype(np.int64))
    cohorts = []
    for month in np.unique(firsts)[:24]:
        inside = (firsts == month) & history.is_purchase
        n_customers = len(np.unique(history.customer[inside]))
        age = months[inside] - month
        n_ages = min(last_month - int(month), COHORT_MONTHS) + 1
        active = [len(np.unique(history.customer[inside][age == k])) / n_customers for k in range(n_ages)]
        cohorts.append(Cohort(str(np.datetime64(int(month), "M")), n_customers, active))
    return cohorts


def _contacted(history: History, replay: Replay, contacts: Contacts) -> Contacted:
    alerts, horizon = replay.alerts, replay.options.horizon_days
    judged = np.flatnonzero(alerts.day + horizon <= replay.last_day)
    right = history.next_purchase_day[alerts.row[judged]] > alerts.day[judged] + horizon
    owners = [history.customer_ids[owner] for owner in history.customer[alerts.row[judged]]]
    days = alerts.day[judged].tolist()
    troubled = np.array(
        [contacts.trouble_before(owner, day) > 0 for owner, day in zip(owners, days, strict=True)], bool
    )
    return Contacted(
        n_events=contacts.n_read,
        n_rejected=contacts.n_rejected,
        n_after_trouble=int(np.count_nonzero(troubled)),
        precision_after_trouble=float(right[troubled].mean()) if troubled.any() else 0.0,
        n_others=int(np.count_nonzero(~troubled)),
        precision_of_others=float(right[~troubled].mean()) if not troubled.all() else 0.0,
    )


def _seen(history: History, replay: Replay, contacts: Contacts | None) -> list[SeenAlert]:
    """The most certain alert of each of the newest weeks whose outcome is known, reasons and outcome beside it."""
    alerts, horizon = replay.alerts, replay.options.horizon_days
    judged = np.flatnonzero(alerts.day + horizon <= replay.last_day)
    weeks = alerts.day[judged] // 7
    order = np.lexsort((-alerts.p[judged], -weeks))
    best = judged[order][np.unique(-weeks[order], return_index=True)[1]][:SHOWN_ALERTS]
    seen = []
    for index in best:
        row = alerts.row[index : index + 1]
        generation = in_force_at(replay.schedule, int(alerts.day[index])).generation
        pushes = score(history.columns.take(row), alerts.silence_days[index : index + 1], generation).contributions[0]
        ranked = sorted(zip(GROUP_NAMES, pushes.tolist(), strict=True), key=lambda pair: -pair[1])
        next_day = int(history.next_purchase_day[row[0]])
        owner, day = history.customer_ids[int(history.customer[row[0]])], int(alerts.day[index])
        seen.append(
            SeenAlert(
                customer_id=owner,
                date=iso(day),
                silence_days=int(alerts.silence_days[index]),
                score=float(alerts.p[index]),
                reasons=[(name, round(push, 3)) for name, push in ranked if push > 0][:3],
                n_contacts=contacts.inbound_before(owner, day) if contacts else None,
                n_troubles=contacts.trouble_before(owner, day) if contacts else None,
                returned_after_days=next_day - day if next_day <= replay.last_day else None,
            )
        )
    return seen
