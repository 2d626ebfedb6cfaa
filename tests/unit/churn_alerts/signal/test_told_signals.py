"""Signals about what customers say and do: inquiries, moods around orders, payments, surveys, reopened tickets."""

import itertools

from services.churn_alerts.signal import (
    expectation_mismatch,
    inquiry_without_order,
    low_csat,
    nps_detractor,
    payment_delayed,
    repeated_reopen,
    sentiment_sliding,
)
from services.churn_alerts.signal.contact_falling_silent import RULE as CONTACT
from services.churn_alerts.signal.contact_falling_silent import ContactSilence
from services.churn_alerts.signal.expectation_mismatch import Mismatch, Negative
from services.churn_alerts.signal.model import DAY_MS, Finding, Moment, SignalRule
from services.churn_alerts.signal.payment_delayed import Payments
from services.churn_alerts.signal.purchase_overdue import RULE as OVERDUE
from services.churn_alerts.signal.purchase_overdue import Silence
from services.churn_alerts.signal.registry import SIGNALS
from services.churn_alerts.signal.sentiment_sliding import Moods
from services.churn_alerts.signal.surveys import Answer, answered
from shared.contracts.alert import SignalName


def judged(rule: SignalRule, part: object, day: int) -> Finding | None:
    return rule.evaluate(part, Moment(day, 0), rule.weight, rule.threshold)


def test_every_signal_of_the_contract_is_registered_once() -> None:
    assert sorted(rule.name for rule in SIGNALS) == sorted(SignalName.__args__)  # type: ignore[attr-defined]


def test_silence_is_overdue_when_leaving_is_likelier_than_not() -> None:
    finding = judged(OVERDUE, Silence(41, 12.2, 0.8, 90.0, "o9"), 100)

    assert finding is not None and finding.signal.evidence == ["o9"]
    assert finding.signal.reason_en == "no purchase for 41 days; usually one every 12 days"
    assert finding.signal.reason_zh == "已41天未购买，通常每12天购买一次"
    assert judged(OVERDUE, Silence(41, 12.2, 0.4, 90.0, "o9"), 100) is None


def test_two_inquiries_without_an_order_count_a_week_later() -> None:
    part = inquiry_without_order.observe((), 10 * DAY_MS, "q1", "kettle")
    part = inquiry_without_order.observe(part, 12 * DAY_MS, "q2", "kettle")

    assert judged(inquiry_without_order.RULE, (part, None), 18) is None
    finding = judged(inquiry_without_order.RULE, (part, None), 19)
    assert finding is not None and finding.signal.evidence == ["q1", "q2"]
    assert judged(inquiry_without_order.RULE, (part, 13 * DAY_MS), 19) is None


def test_unhappy_words_count_around_an_order_only() -> None:
    unhappy = expectation_mismatch.with_negative(Mismatch(), Negative(20 * DAY_MS, "m", 900))

    assert judged(expectation_mismatch.RULE, unhappy, 20) is None
    after_a_sale = expectation_mismatch.with_sale(unhappy, 15 * DAY_MS, "o")
    finding = judged(expectation_mismatch.RULE, after_a_sale, 20)
    assert finding is not None and finding.signal.evidence == ["m"]
    before_a_sale = expectation_mismatch.with_sale(unhappy, 22 * DAY_MS, "o")
    assert judged(expectation_mismatch.RULE, before_a_sale, 22) is None


def test_missed_goal_of_a_consultation_is_a_mismatch() -> None:
    part = expectation_mismatch.with_missed_goal(Mismatch(), 20 * DAY_MS, "c")

    finding = judged(expectation_mismatch.RULE, part, 20)

    assert finding is not None and "goal" in finding.signal.reason_en


def test_invoice_is_delayed_a_week_after_its_due_day_unless_paid_in_any_order() -> None:
    said = [("i", 10, None, False, "due"), ("i", 10, None, True, "late"), ("i", None, 20, False, "paid")]

    unpaid = payment_delayed.observe(Payments(), *said[0])
    assert judged(payment_delayed.RULE, unpaid, 16) is None
    assert judged(payment_delayed.RULE, unpaid, 17) is not None
    parts = set()
    for order in itertools.permutations(said):
        part = Payments()
        for one in order:
            part = payment_delayed.observe(part, *one)
        parts.add(part)
    assert len(parts) == 1 and judged(payment_delayed.RULE, parts.pop(), 40) is None


def test_customer_who_always_pays_late_is_given_his_usual_delay() -> None:
    part = Payments()
    for number in range(5):
        part = payment_delayed.observe(part, f"i{number}", 30 * number, 30 * number + 10, False, "p")

    part = payment_delayed.observe(part, "new", 200, None, False, "d")

    assert judged(payment_delayed.RULE, part, 212) is None
    assert judged(payment_delayed.RULE, part, 217) is not None


def test_sentiment_slides_when_recent_texts_are_clearly_worse() -> None:
    part = Moods()
    for day in range(0, 100, 5):
        part = sentiment_sliding.observe(part, day, 0.4)
    for day in range(100, 110):
        part = sentiment_sliding.observe(part, day, -0.5)

    assert judged(sentiment_sliding.RULE, (part, ()), 109) is not None
    assert judged(sentiment_sliding.RULE, (part, ()), 99) is None


def test_a_mood_that_rounds_to_nothing_is_told_without_a_minus() -> None:
    part = Moods()
    for day in range(0, 100, 5):
        part = sentiment_sliding.observe(part, day, -0.001)
    for day in range(100, 110):
        part = sentiment_sliding.observe(part, day, -0.7)

    found = judged(sentiment_sliding.RULE, (part, ()), 109)

    assert found is not None
    assert found.signal.reason_en.endswith(" against +0.00)")
    assert "（由+0.00降至-" in found.signal.reason_zh


def test_moods_do_not_depend_on_the_order_of_texts() -> None:
    texts = [(3, 0.5), (250, -0.25), (12, 0.1), (255, 0.7), (100, -1.0)]

    parts = set()
    for order in itertools.permutations(texts):
        part = Moods()
        for day, score in order:
            part = sentiment_sliding.observe(part, day, score)
        parts.add(part)

    assert len(parts) == 1


def test_contact_is_silent_after_three_usual_gaps_and_two_weeks() -> None:
    assert judged(CONTACT, ContactSilence(9, 31, 10.0), 100) is not None
    assert judged(CONTACT, ContactSilence(9, 29, 10.0), 100) is None
    assert judged(CONTACT, ContactSilence(9, 13, 1.0), 100) is None


def test_low_answer_counts_until_a_better_one_on_a_later_day() -> None:
    low: tuple[Answer, ...] = answered((), 10 * DAY_MS, "s1", 2, 1, 5)

    assert judged(low_csat.RULE, low, 20) is not None
    assert judged(low_csat.RULE, low, 45) is None
    same_day = answered(low, 10 * DAY_MS + 5, "s2", 5, 1, 5)
    assert judged(low_csat.RULE, same_day, 20) is not None
    assert judged(low_csat.RULE, answered(low, 12 * DAY_MS, "s3", 5, 1, 5), 20) is None


def test_detractors_answer_zero_to_six() -> None:
    six = judged(nps_detractor.RULE, answered((), 10 * DAY_MS, "s", 6, 0, 10), 20)
    zero = judged(nps_detractor.RULE, answered((), 10 * DAY_MS, "s", 0, 0, 10), 20)

    assert six is not None and zero is not None
    assert zero.signal.contribution > six.signal.contribution
    assert judged(nps_detractor.RULE, answered((), 10 * DAY_MS, "s", 7, 0, 10), 20) is None


def test_ticket_that_is_reopened_twice_is_a_signal() -> None:
    once = repeated_reopen.observe((), 10 * DAY_MS, "r1", "T-7")

    assert judged(repeated_reopen.RULE, once, 20) is None
    twice = repeated_reopen.observe(once, 15 * DAY_MS, "r2", "T-7")
    finding = judged(repeated_reopen.RULE, twice, 20)
    assert finding is not None
    assert finding.signal.reason_en == "ticket T-7 was reopened 2 times in 45 days"
    assert finding.signal.reason_zh == "45天内工单T-7被重新打开2次"
