"""What a reader must know before he trusts a backtest: how the risk was wrong on this log, or told nothing."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.churn_alerts.backtest.measure import Days, Flags, Floats, Ranking, Rule, iso
from services.churn_alerts.customer.due import SilencePolicy
from services.churn_alerts.customer.history import History
from services.churn_alerts.customer.level import PERIOD_DAYS, returns

LEAST_GAIN = 0.03
"""A smaller lead in ROC-AUC over days of silence is hardly more than one log's noise."""

FEWEST_CHURNED = 30

LARGEST_ERROR = 0.05
"""A risk that is off by one in twenty is no probability to reckon with; both public logs stay under .015."""

LARGEST_GAP = 0.1
LARGEST_CHANGE = 0.25
STANDARD_ERRORS = 4.0
"""Beyond chance, though a log has dozens of periods. Measured: docs/churn.md."""

Name = Literal[
    "nothing_judged",
    "little_beyond_recency",
    "badly_calibrated",
    "level_changed",
    "unusual_end",
    "fixed_rule_as_good",
    "few_judged",
    "few_churned",
    "several_currencies",
]
_SHOWN_CURRENCIES = 5


@dataclass(frozen=True, slots=True)
class Caution:
    """One sentence in both languages."""

    name: Name
    english: str
    chinese: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The scored rows whose outcome is known: one entry each."""

    day: Days
    customer: NDArray[np.int64]
    p: Floats
    is_silent: Flags


def cautions(rankings: list[Ranking], rules: list[Rule], judged: Judged, *, has_capacity: bool) -> list[Caution]:
    """Return what the outcomes say; Pulseline is first in both lists, its rival second.

    A capacity may be far from the fixed rule's load, and then the two F1 say nothing of each other.
    """
    risk, recency, error = rankings[0].auc, rankings[1].auc, rankings[0].calibration_error
    ours, fixed = rules[0].quality, rules[1].quality
    found: list[Caution] = []
    if risk != risk:
        found.append(_NOTHING_JUDGED)
    if risk - recency < LEAST_GAIN:
        found.append(_ALERTS_BEYOND_RECENCY if ours.f1 - fixed.f1 > LEAST_GAIN else _LITTLE_BEYOND_RECENCY)
    if error is not None and error > LARGEST_ERROR:
        found.append(_badly_calibrated(error))
    found += [max(shifts, key=lambda shift: abs(shift.gap)).caution()] if (shifts := list(_shifts(judged))) else []
    if ours.n_alerts and ours.f1 <= fixed.f1 and not has_capacity:
        found.append(_FIXED_RULE_AS_GOOD)
    if len(judged.day) and _fewest_of_a_kind(judged) < FEWEST_CHURNED:
        found.append(_FEW_JUDGED)
    if ours.n_silences and ours.n_churned < FEWEST_CHURNED:
        found.append(_FEW_CHURNED)
    return found


def several_currencies(n_in_currency: Counter[str]) -> list[Caution]:
    """Return what to know where a column names more than one currency."""
    counted = Counter({name: n for name, n in n_in_currency.items() if name})
    if len(counted) < 2:
        return []
    shares = ", ".join(f"{name} {n / counted.total():.1%}" for name, n in counted.most_common(_SHOWN_CURRENCIES))
    return [
        Caution(
            "several_currencies",
            f"The amounts are in several currencies ({shares}) and were added as they stand: what a customer is worth "
            "and what changes in spending say of him are wrong across them. Convert the amounts into one currency, or "
            "backtest each currency's orders alone.",
            f"金额含多种币种（{shares}），均按数字直接相加：跨币种的客户价值与消费变化因此不可靠。请先换算成同一币种，或按币种分别回测。",
        )
    ]


def unusual_end(history: History, policy: SilencePolicy, last_day: int) -> list[Caution]:
    """Return whether customers came back much more or less often lately than after equal silences before.

    Outcomes are a horizon late: a closure or a season that began just now is seen here alone.
    """
    begin = last_day - PERIOD_DAYS + 1
    all_seen, all_expected = returns(history, policy, int(history.day.min()) - 1, last_day)
    if not len(all_seen):
        return []
    seen, expected = float(all_seen[0]), float(all_expected[0])
    if abs(seen - expected) <= max(LARGEST_CHANGE * expected, STANDARD_ERRORS * sqrt(expected)):
        return []
    ratio = seen / max(expected, 1.0)
    return [
        Caution(
            "unusual_end",
            f"In the last four weeks, from {iso(begin)} on, customers came back {ratio:.0%} as often as they did after "
            "equal silences before: something changed for all of them at once (a season, a closure, a campaign), and "
            "today's risks do not know of it.",
            f"最近四周（自 {iso(begin)} 起），客户回购的频率为以往同样沉默时长下的 {ratio:.0%}："
            "所有客户同时发生了变化（季节、歇业或促销），而当前的风险并不知情。",
        )
    ]


@dataclass(frozen=True, slots=True)
class _Shift:
    """In some weeks the mean risk was off by `gap`, positive if too high."""

    first_day: int
    last_day: int
    gap: float

    def caution(self) -> Caution:
        is_high = self.gap > 0
        return Caution(
            "level_changed",
            f"From {iso(self.first_day)} to {iso(self.last_day)} the risk was too {'high' if is_high else 'low'} by "
            f"{abs(self.gap) * 100:.0f} points for customers on the whole: something changed for all of them at once "
            "(a season, a closure, a campaign), which a risk learnt from the months before does not know.",
            f"{iso(self.first_day)} 至 {iso(self.last_day)}，整体风险{'偏高' if is_high else '偏低'} "
            f"{abs(self.gap) * 100:.0f} 个百分点：所有客户同时发生了变化（季节、歇业或促销），"
            "而由此前数月学得的风险并不知情。",
        )


def _shifts(judged: Judged) -> Iterator[_Shift]:
    """Yield the periods of four weeks in which mean risk and outcome lie further apart than chance and a tenth."""
    if not len(judged.day):
        return
    period_of = (judged.day - judged.day.min()) // PERIOD_DAYS
    for period in np.unique(period_of):
        inside = period_of == period
        share = float(judged.is_silent[inside].mean())
        gap = float(judged.p[inside].mean()) - share
        # Rows of one customer tell nearly the same.
        chance = sqrt(max(share * (1 - share), 0.01) / len(np.unique(judged.customer[inside])))
        if abs(gap) > max(LARGEST_GAP, STANDARD_ERRORS * chance):
            yield _Shift(int(judged.day[inside].min()), int(judged.day[inside].max()), gap)


def _fewest_of_a_kind(judged: Judged) -> int:
    """Return how many customers ever stayed away at a checkpoint, or ever came back: the fewer of the two."""
    return min(len(np.unique(judged.customer[kind])) for kind in (judged.is_silent, ~judged.is_silent))


def _badly_calibrated(error: float) -> Caution:
    return Caution(
        "badly_calibrated",
        f"On this log's own past the risk was off by {error * 100:.0f} points on average: it may serve to rank "
        "customers, but do not take it for a probability.",
        f"在这份数据自身的历史上，风险平均偏差 {error * 100:.0f} 个百分点：可用于排序，但不宜当作概率。",
    )


_NOTHING_JUDGED = Caution(
    "nothing_judged",
    "No risk could be held against an outcome: there are too few customers or days, or all of them did the same.",
    "没有任何风险可与结果对照：客户或天数太少，或所有客户的结果都相同。",
)
_LITTLE_BEYOND_RECENCY = Caution(
    "little_beyond_recency",
    "On this log the risk ranks hardly better than days of silence alone: there is little else in it to know.",
    "在这份数据上，风险的排序几乎不优于仅按沉默天数：其中没有更多可用的信息。",
)
_ALERTS_BEYOND_RECENCY = Caution(
    "little_beyond_recency",
    "On this log the risk ranks hardly better than days of silence alone; its alerts do better than the fixed rule's "
    "all the same, for each customer is judged by his own rhythm.",
    "在这份数据上，风险的排序几乎不优于仅按沉默天数；但预警仍优于固定规则，因为每位客户都按其自身节奏判断。",
)
_FEW_JUDGED = Caution(
    "few_judged",
    "Fewer than thirty customers stayed away, or came back, after the checkpoints judged: how the risk ranks here is "
    "mostly chance.",
    "被评估的检查点之后，未再购买或再次购买的客户不足三十位：此处的排序结果多半出于偶然。",
)
_FIXED_RULE_AS_GOOD = Caution(
    "fixed_rule_as_good",
    "On this log the fixed rule's alerts are as good by F1: waiting tells as much as what was bought before.",
    "在这份数据上，固定规则的预警按 F1 同样有效：等待所知，不少于以往购买所示。",
)
_FEW_CHURNED = Caution(
    "few_churned",
    "Fewer than thirty customers left in the time judged: figures about alerts are mostly chance.",
    "评估期内流失客户不足三十位：预警的各项数字多半出于偶然。",
)
