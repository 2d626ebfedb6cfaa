"""Rules, tiers, causes, playbooks, words and the capacity controller."""

import pytest

from services.churn_alerts.alert.capacity import thresholds_for_capacity, with_thresholds
from services.churn_alerts.alert.cause import cause_of
from services.churn_alerts.alert.decide import severity_of, silence_alert_id
from services.churn_alerts.alert.evidence import RiskFacts, risk_reasons, summary
from services.churn_alerts.alert.playbook import (
    Playbook,
    choose_playbook,
    read_playbooks,
    sensitivity_of,
    shipped_playbooks,
)
from services.churn_alerts.alert.rules import DEFAULT, Rules, read_rules, to_document
from services.churn_alerts.alert.tier import TierCuts, fit_cuts, tier_of
from services.churn_alerts.customer.generation import GROUP_NAMES
from services.churn_alerts.signal.aspects import aspect_bits, causes_of
from services.churn_alerts.signal.event import AspectHit, Sentiment
from services.churn_alerts.signal.expectation_mismatch import Negative
from services.churn_alerts.signal.model import DAY_MS
from services.churn_alerts.signal.registry import added_log_odds
from shared.contracts.alert import Cause, Signal, SignalName
from shared.errors import Reject

PRICE, COMPETITOR = 1 << 2, 1 << 8


def test_rules_survive_their_document_and_left_out_members_are_version_one() -> None:
    assert read_rules(to_document(DEFAULT)) == DEFAULT == read_rules({})
    assert read_rules({"cooldown_days": 3}) == Rules(cooldown_days=3)


@pytest.mark.parametrize(
    "document",
    [
        {"cooldown": 3},
        {"silence_thresholds": {"gold": 0.5}},
        {"purchases": {"window_days": 400, "lost_after_days": 30}},
        {
            "playbooks": [
                {"name": "x", "title_en": "x", "title_zh": "x", "causes": ["quality"], "offers_discount": True}
            ]
        },
    ],
)
def test_wrong_rules_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(Reject):
        read_rules(document)


def test_tiers_follow_recency_frequency_and_money() -> None:
    cuts = TierCuts()

    assert tier_of(1, 0.1, 9.0, 9.0, cuts) == "new"
    assert tier_of(9, 0.1, 9.0, 9.0, cuts) == "platinum"
    assert tier_of(9, 9.0, 0.1, 0.1, cuts) == "bronze"
    assert tier_of(9, 0.1, 9.0, None, cuts) == "platinum"


def test_cuts_are_the_companys_own_quintiles() -> None:
    assert fit_cuts([float(n) for n in range(1, 101)], [], []).recency == (20.0, 40.0, 60.0, 80.0)
    assert fit_cuts([], [], []) == TierCuts()


def test_cause_is_what_unhappy_texts_are_about_and_silence_alone_is_unknown() -> None:
    about_price = [Negative(10 * DAY_MS, "a", 900, PRICE), Negative(11 * DAY_MS, "b", 900, PRICE | COMPETITOR)]

    assert cause_of([], [], 20) == ("unknown", 1.0)
    cause, p_cause = cause_of(about_price, [], 20)
    assert cause == "price" and 0.5 < p_cause < 0.8
    assert cause_of(about_price, [], 200) == ("unknown", 1.0)


def test_an_unhappy_text_about_nothing_says_nothing_of_the_cause() -> None:
    about_price = [Negative(10 * DAY_MS, "a", 900, PRICE)]
    about_nothing = [Negative(11 * DAY_MS + n, f"e{n}", 990) for n in range(4)]

    assert cause_of([*about_price, *about_nothing], [], 20) == cause_of(about_price, [], 20)
    assert cause_of(about_nothing, [], 20) == ("unknown", 1.0)


def test_a_silence_is_explained_by_what_was_said_around_the_last_purchase() -> None:
    about_price = [Negative(12 * DAY_MS, "a", 900, PRICE)]

    assert cause_of(about_price, [], 70)[0] == "unknown"
    assert cause_of(about_price, [], 70, quiet_since_day=10) == cause_of(about_price, [], 12)
    assert cause_of(about_price, [], 11, quiet_since_day=10) == ("unknown", 1.0)
    assert cause_of(about_price, [], 150, quiet_since_day=140) == ("unknown", 1.0)


def test_what_rests_on_the_same_texts_counts_once() -> None:
    def signal(name: SignalName, contribution: float) -> Signal:
        return Signal(name=name, value=1.0, threshold=1.0, contribution=contribution, reason_en="", reason_zh="")

    said = [signal("complaints_surging", 1.6), signal("expectation_mismatch", 2.4), signal("sentiment_sliding", 1.0)]

    assert added_log_odds(said) == 2.4
    assert added_log_odds([*said, signal("low_csat", 1.0), signal("purchase_overdue", 2.0)]) == pytest.approx(3.4)


def test_talk_of_a_competitor_is_heard_in_both_languages() -> None:
    mood = Sentiment(
        label="negative",
        score=-1,
        p_negative=1,
        aspects=[AspectHit("price")],
    )

    for text in (
        "I am switching to another provider",
        "太贵了，我要换别家",
        "We will buy ELSEWHERE",
        "ELSEWHERE – bye",
    ):
        assert list(causes_of(aspect_bits(mood, text))) == ["price", "competitor"]
    assert list(causes_of(aspect_bits(mood, "too expensive"))) == ["price"]


@pytest.mark.parametrize("cause", ["quality", "function", "logistics", "after_sales", "attitude", "waiting", "billing"])
def test_complaint_is_never_answered_with_a_discount(cause: Cause) -> None:
    discounts = {playbook.name for playbook in shipped_playbooks() if playbook.offers_discount}

    for tier in ("new", "bronze", "silver", "gold", "platinum"):
        chosen = choose_playbook(shipped_playbooks(), cause, tier, sensitivity_of(cause, is_basket_shrinking=True))
        assert chosen is not None and chosen.name not in discounts


def test_price_sensitive_customer_gets_the_offer_and_the_reason_says_why() -> None:
    chosen = choose_playbook(shipped_playbooks(), "price", "bronze", "price")

    assert chosen is not None and chosen.name == "win-back-offer"
    assert chosen.reason_en.endswith(": the cause is price and the customer is sensitive to price")
    assert chosen.reason_zh.endswith("：流失原因为价格，客户对价格敏感")


def test_reason_for_a_playbook_of_a_companys_own_wording_is_told_in_both_languages() -> None:
    # An English title that reads like a reason is no reason, in either language.
    own = Playbook(
        name="own",
        title_en="Call: the cause is quality",
        title_zh="致电",
        tiers=("gold",),
        sensitivities=("quality",),
    )

    chosen = choose_playbook([own], "logistics", "gold", "quality")
    fallback = choose_playbook([Playbook(name="any", title_en="Write", title_zh="写信")], "unknown", "new", "unknown")

    assert chosen is not None and fallback is not None
    assert (
        chosen.reason_en == "Call: the cause is quality: the customer is gold and the customer is sensitive to quality"
    )
    assert chosen.reason_zh == "致电：客户为黄金客户，客户看重质量"
    assert fallback.reason_zh == "写信：没有更具体的方案适用"


def test_playbooks_of_a_company_are_read_from_yaml_or_refused() -> None:
    assert read_playbooks(b"- {name: call, title_en: Call, title_zh: '\xe8\x87\xb4\xe7\x94\xb5'}")[0].name == "call"
    with pytest.raises(Reject):
        read_playbooks(b"- {name: call}")


def test_summary_is_one_sentence_with_the_strongest_reasons_in_both_languages() -> None:
    signals = [
        Signal(name="low_csat", value=1, threshold=1, contribution=1, reason_en=f"reason {n}", reason_zh=f"理由{n}")
        for n in range(5)
    ]

    english, chinese = summary(signals, 0.823, 90.0)

    assert english == "Reason 0; reason 1; reason 2; 82% likely not to buy in the next 90 days."
    assert chinese == "理由0；理由1；理由2；未来90天不再购买的概率约82%。"


def test_every_group_of_the_score_has_its_words_both_ways() -> None:
    for sign in (1.0, -1.0):
        for index in range(len(GROUP_NAMES)):
            pushes = [sign if index == at else 0.0 for at in range(len(GROUP_NAMES))]
            for is_about_contacts in (False, True):
                [reason] = risk_reasons(GROUP_NAMES, pushes, RiskFacts(30, 12.0, 5, is_about_contacts))
                assert reason.group == GROUP_NAMES[index]
                assert reason.reason_en and reason.reason_zh and "%(" not in reason.reason_en + reason.reason_zh


def test_severity_grows_with_evidence_and_tier() -> None:
    assert [severity_of(excess, "bronze") for excess in (0.0, 0.7, 1.6)] == ["low", "medium", "high"]
    assert severity_of(0.0, "platinum") == "high" and severity_of(5.0, "platinum") == "critical"


def test_severity_claims_no_more_than_the_risk() -> None:
    told = [severity_of(5.0, "platinum", p) for p in (0.1, 0.2, 0.49, 0.5)]

    assert told == ["medium", "high", "high", "critical"]
    assert severity_of(0.0, "bronze", 0.9) == "low"


def test_alert_id_depends_on_customer_spell_and_rules_alone() -> None:
    assert silence_alert_id("a", 5, 1) == silence_alert_id("a", 5, 1)
    assert len({silence_alert_id(*key) for key in (("a", 5, 1), ("a", 5, 2), ("a", 6, 1), ("b", 5, 1))}) == 4


def test_capacity_becomes_the_threshold_that_raises_as_many_alerts() -> None:
    peaks = [n / 1000 for n in range(1, 1000)]

    thresholds = thresholds_for_capacity({"bronze": peaks}, 10.0, 0, Rules(capacity_per_day=5))

    assert thresholds is not None
    assert sum(peak >= thresholds["bronze"] for peak in peaks) == 50
    assert with_thresholds(DEFAULT, thresholds).silence_thresholds == thresholds


def test_capacity_controller_keeps_what_it_cannot_better() -> None:
    peaks = [n / 1000 for n in range(1, 1000)]

    assert thresholds_for_capacity({"bronze": peaks}, 10.0, 0, Rules()) is None
    assert thresholds_for_capacity({"bronze": peaks[:50]}, 10.0, 0, Rules(capacity_per_day=5)) is None
    assert thresholds_for_capacity({"bronze": peaks}, 10.0, 0, Rules(capacity_per_day=50)) is None
