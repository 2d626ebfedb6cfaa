"""Why the options of a backtest are what they are, in words: what was chosen, and what would have to be otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from services.churn_alerts.backtest.measure import iso
from services.churn_alerts.backtest.plan import FEWEST_GAPS, Plan, Span


@dataclass(frozen=True, slots=True)
class Why:
    """One sentence in both languages."""

    english: str
    chinese: str


def reasons(plan: Plan, span: Span, *, is_start_chosen: bool) -> Iterator[Why]:
    """Yield what a reader must know of the horizon and the start."""
    days = span.last_day - span.first_day
    if span.horizon_days is None:
        yield _of_horizon(plan, days)
    if is_start_chosen:
        yield _of_start(plan, span.first_day)
    if plan.judged != "alerts":
        yield _too_short(plan, span, days)


def _of_horizon(plan: Plan, days: int) -> Why:
    horizon, gap = plan.horizon_days, plan.usual_gap_days
    if plan.n_gaps < FEWEST_GAPS:
        return Why(
            f"Horizon {horizon} days: a guess, for hardly anybody had bought again by then.",
            f"预测期 {horizon} 天：届时几乎没有客户再次购买，此值仅为估计。",
        )
    if horizon < plan.asked_days:
        return Why(
            f"Horizon {horizon} days: purchases usually come {gap:.1f} days apart, which asks for {plan.asked_days}, "
            f"but {days} days of orders are too few to learn from and then to see what became of so long a silence.",
            f"预测期 {horizon} 天：平常购买间隔为 {gap:.1f} 天，本宜取 {plan.asked_days} 天；"
            f"但 {days} 天的订单不足以先学习、再看到如此长的沉默的结果。",
        )
    if horizon < gap:
        return Why(
            f"Horizon {horizon} days: purchases usually come {gap:.1f} days apart, but the orders leave no room for a "
            "longer one. Within it most customers buy nothing, whether they leave or not.",
            f"预测期 {horizon} 天：平常购买间隔为 {gap:.1f} 天，但订单数据容不下更长的预测期；"
            "在此期间，无论是否流失，多数客户都不会购买。",
        )
    return Why(
        f"Horizon {horizon} days: {horizon / gap:.1f} times the usual {gap:.1f} days between purchases.",
        f"预测期 {horizon} 天：为平常购买间隔（{gap:.1f} 天）的 {horizon / gap:.1f} 倍。",
    )


def _of_start(plan: Plan, first_day: int) -> Why:
    days = plan.start_day - first_day
    if plan.start_day < plan.learnt_day:
        return Why(
            f"Scoring starts after {days} days instead of {plan.learnt_day - first_day}, so that outcomes are left to "
            "judge by.",
            f"第 {days} 天起评分（本应为第 {plan.learnt_day - first_day} 天），以便留出可对照的结果。",
        )
    return Why(
        f"Scoring starts after {days} days, which teach the rhythm and whole horizons.",
        f"第 {days} 天起评分，此前的数据用于学习购买节奏与完整的预测期。",
    )


def _too_short(plan: Plan, span: Span, days: int) -> Why:
    if plan.judged == "risks":
        told = Why(
            "Alerts are not judged: hardly a silence that begins after the start has an outcome before the orders end.",
            "预警无法评估：起始日之后开始的沉默，在订单数据结束前几乎都没有结果。",
        )
    else:
        told = Why(
            "Hardly anything is judged: the orders end too soon after the start.",
            "几乎无法评估：起始日之后的订单数据过短。",
        )
    other = replace(span, horizon_days=None).chosen()
    if other.judged == "alerts":
        day, horizon = iso(other.start_day), other.horizon_days
        return Why(
            f"{told.english} They are with --start {day} --horizon {horizon}.",
            f"{told.chinese}使用 --start {day} --horizon {horizon} 即可评估。",
        )
    needed = span.days_needed(plan.horizon_days)
    return Why(
        f"{told.english} That takes orders of {needed} days; these are of {days}.",
        f"{told.chinese}至少需要 {needed} 天的订单，现有 {days} 天。",
    )
