"""Signals about counts: purchase frequency, category frequency, and what they share."""

from services.churn_alerts.signal import category_frequency_falling, purchase_frequency_falling
from services.churn_alerts.signal.category_frequency_falling import Category
from services.churn_alerts.signal.counts import BlockCounts, counted, lately, merged_counts
from services.churn_alerts.signal.model import Finding, Moment
from services.churn_alerts.signal.tail import lower_tail, upper_tail


def counts(*days: int) -> BlockCounts | None:
    found: BlockCounts | None = None
    for day in days:
        found = counted(found, day)
    return found


def falling(*days: int, on: int) -> Finding | None:
    rule = purchase_frequency_falling.RULE
    return purchase_frequency_falling.evaluate(counts(*days), Moment(on, 0), rule.weight, rule.threshold)


def test_tails_agree_with_the_geometric_distribution() -> None:
    # Shape 1 is geometric: P(N >= n) = q^n.
    assert abs(upper_tail(3, 1, 20, 30) - 0.6**3) < 1e-12
    assert abs(lower_tail(2, 1, 20, 30) - (1 - 0.6**3)) < 1e-12


def test_counts_split_into_recent_blocks_and_everything_before() -> None:
    found = counts(0, 10, 20, 100, 130, 150)
    assert found is not None

    recent = lately(found, 155)

    assert (recent.n_recent, recent.recent_days, recent.n_before, recent.before_days) == (3, 66, 3, 90)


def test_counts_do_not_depend_on_order_and_merge_to_the_sum() -> None:
    days = (0, 400, 35, 64, 399, 170)

    assert counts(*days) == counts(*sorted(days))
    assert merged_counts(counts(*days[:3]), counts(*days[3:])) == counts(*days)


def test_weekly_buyer_who_buys_twice_in_three_months_is_falling() -> None:
    finding = falling(*range(0, 300, 7), 310, 340, on=385)

    assert finding is not None
    assert finding.signal.value == 2
    assert finding.signal.reason_en == "2 orders in the last 86 days; 12.3 would be usual"
    assert finding.signal.reason_zh == "近86天下单2次，通常约12.3次"


def test_steady_buyer_is_not_falling() -> None:
    assert falling(*range(0, 380, 7), on=385) is None


def test_little_history_says_nothing() -> None:
    assert falling(0, 10, 20, on=300) is None


def test_category_that_is_hardly_bought_any_more_is_named() -> None:
    part: tuple[Category, ...] = ()
    for day in range(0, 380, 7):
        part = category_frequency_falling.observe(part, day, {"tea"} if day < 290 else {"cups"})
    rule = category_frequency_falling.RULE

    finding = category_frequency_falling.evaluate(part, Moment(385, 0), rule.weight, rule.threshold)

    assert finding is not None and "tea" in finding.signal.reason_en and "“tea”" in finding.signal.reason_zh


def test_categories_are_bounded_and_the_least_bought_give_way() -> None:
    part: tuple[Category, ...] = ()
    for number in range(20):
        part = category_frequency_falling.observe(part, number, {"always", f"once-{number:02}"})

    assert len(part) == category_frequency_falling.CATEGORIES_KEPT
    assert part[0].name == "always" and part[0].counts.total == 20
