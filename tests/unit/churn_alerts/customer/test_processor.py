"""What the churn processor decides over small logs."""

from datetime import timedelta

from msgspec.structs import replace

from services.churn_alerts.alert.rules import Rules, SilenceRules
from shared.contracts.alert import AlertRaised, AlertRecord, AlertUpdated, Tier
from shared.contracts.identity import HistoryMoved
from shared.links import erased_key
from tests.factories.churn_log import (
    Heard,
    at,
    calm,
    complaint,
    decided,
    erased,
    inquiry,
    kinds,
    linked,
    message,
    order,
    published,
    regular,
    tick,
)

TIERS: tuple[Tier, ...] = ("new", "bronze", "silver", "gold", "platinum")


def test_customer_who_simply_stops_is_alerted_once() -> None:
    orders = regular("a", 20)

    log = decided([*orders, *(tick(at(140 + day)) for day in range(200))])

    assert kinds(log.alerts) == ["raised", "lost"]
    assert log.alerts[0].at > at(19 * 7 + 15)
    assert not any(record.is_historical for record in log.alerts)
    assert log.risks["a"].state == "lost" and log.risks["a"].risk is None


def test_alert_of_a_silence_says_what_is_at_stake() -> None:
    log = decided([*regular("a", 20), tick(at(250))])

    raised = log.alerts[0]
    assert isinstance(raised, AlertRaised) and raised.body.risk is not None
    risk = raised.body.risk
    assert risk.p_churn >= 0.5
    assert risk.residual_value is not None and 0 < risk.residual_value < 52 * 20
    assert risk.expected_loss == round(risk.p_churn * risk.residual_value, 2)
    assert raised.body.signals[0].evidence == [f"a-{(1767225600 + (133 * 1440 + 720) * 60) * 1000}"]


def test_decisions_are_stamped_with_their_due_time_however_late_time_is_told() -> None:
    orders = regular("a", 20)

    daily = decided([*orders, *(tick(at(140 + day, 16)) for day in range(120))])
    at_once = decided([*orders, tick(at(300))])

    assert [record.at for record in daily.alerts] == [record.at for record in at_once.alerts]
    assert daily.alerts[0].at.time().isoformat() == "00:00:00"


def test_no_alert_comes_before_the_floor() -> None:
    orders = regular("a", 20)

    log = decided([*orders, tick(at(19 * 7 + 15, 10))])

    assert log.alerts == []


def test_purchase_clears_the_alert_as_returned_at_its_own_time() -> None:
    back = order("a", at(19 * 7 + 115, 500))

    log = decided([*regular("a", 20), tick(at(19 * 7 + 114)), calm(back)])

    assert kinds(log.alerts) == ["raised", "returned"]
    assert log.alerts[1].at == back.occurred_at
    assert log.risks["a"].state == "active"


def test_late_purchase_undoes_the_silence_it_disproves() -> None:
    before_the_alert = calm(order("a", at(19 * 7 + 20), received=at(19 * 7 + 20, 600)))

    log = decided([*regular("a", 20), tick(at(19 * 7 + 114)), before_the_alert])

    assert kinds(log.alerts) == ["raised", "evidence_undone"]


def test_imported_history_notifies_nobody_and_leaves_the_lost_lost() -> None:
    now = at(1_000)
    bought = [*range(0, 140, 7), 300]
    history: list[Heard] = [calm(order("a", at(day, 720), received=now)) for day in bought]

    log = decided([tick(now), *history, *(tick(now + timedelta(minutes=minute)) for minute in range(60))])

    assert kinds(log.alerts) == ["raised", "lost"]
    assert all(record.is_historical for record in log.alerts)
    assert log.alerts[1].at == at(300 + 121)
    assert log.risks["a"].state == "lost"


def test_silence_that_history_itself_ended_is_never_told() -> None:
    now = at(310)
    history: list[Heard] = [
        calm(order("a", at(day, 720), received=now)) for day in (*range(0, 140, 7), *range(300, 309, 4))
    ]

    log = decided([tick(now), *history, *(tick(now + timedelta(minutes=minute)) for minute in range(60))])

    assert log.alerts == []
    assert log.risks["a"].n_purchases == 23


def test_imported_customer_is_not_judged_before_he_has_settled() -> None:
    now = at(200)
    history: list[Heard] = [calm(order("a", at(day, 720), received=now)) for day in range(0, 140, 7)]

    early = decided([tick(now), *history, tick(now + timedelta(minutes=14))])
    settled = decided([tick(now), *history, tick(now + timedelta(minutes=25))])

    assert early.risks == {} and early.alerts == []
    assert settled.risks["a"].n_purchases == 20


def test_single_purchase_of_the_past_is_counted_although_the_customer_stays_without_a_risk() -> None:
    spoken = calm(message("a", at(300, 58)))
    imported = calm(order("a", at(291), received=at(300, 60)))

    log = decided([spoken, tick(at(300, 59)), imported, *(tick(at(300, 60 + minute)) for minute in range(60))])

    assert (log.risks["a"].state, log.risks["a"].n_purchases) == ("unscored", 1)


def test_complaints_raise_at_once_and_a_client_retry_changes_nothing() -> None:
    said = [complaint("a", at(200, minute)) for minute in (1, 2, 3)]

    log = decided([*said, *said])

    assert kinds(log.alerts)[0] == "raised"
    assert log.alerts[0].at == at(200, 3)
    assert kinds(log.alerts) == kinds(decided(said).alerts)


def test_a_day_judged_late_after_an_import_leaves_an_alert_of_the_next_day_as_it_is() -> None:
    # The import has to settle: the inquiry's day is judged when complaints of the next day have raised an alert.
    now = at(200, 300)
    asked = inquiry("a", at(190), "cup")
    history: list[Heard] = [calm(order("a", at(day, 720), received=now)) for day in range(0, 150, 7)]
    history.append(calm(replace(asked, received_at=now)))
    said = [complaint("a", at(200, minute)) for minute in (310, 311, 312, 313)]

    log = decided([tick(now), *history, *said, *(tick(now + timedelta(minutes=minute)) for minute in range(15, 75))])

    assert kinds(log.alerts) == ["raised", "updated"]


def test_few_complaints_of_who_most_likely_stays_raise_nothing_whatever_the_order_of_the_day() -> None:
    orders = regular("a", 20)
    said = [complaint("a", at(19 * 7 + 2, minute)) for minute in (1, 2, 3)]
    today = calm(order("a", at(19 * 7 + 2, 30)))
    loud = [complaint("a", at(19 * 7 + 2, minute)) for minute in range(1, 7)]
    bold = published(2, at(0), Rules(least_p_leaving=0.0))

    assert decided([*orders, *said]).alerts == decided([*orders, today, *said]).alerts == []
    assert kinds(decided([*orders, *loud]).alerts)[:1] == ["raised"]
    told = decided([bold, *orders, *said, today])
    assert kinds(told.alerts)[:1] == ["raised"]
    assert kinds(decided([bold, *orders, today, *said]).alerts)[:1] == ["raised"]
    assert told.alerts[0].at == at(19 * 7 + 2, 2)


def test_alert_carries_evidence_cause_playbook_and_one_sentence_in_both_languages() -> None:
    log = decided([complaint("a", at(200, minute), f"m{minute}") for minute in (1, 2, 3)])

    raised = log.alerts[0]
    assert isinstance(raised, AlertRaised)
    assert raised.body.cause == "quality" and raised.body.p_cause > 0.6
    assert raised.body.signals[0].evidence == ["m1", "m2", "m3"]
    assert raised.body.playbook == "make-it-right"
    assert raised.body.playbook_reason.endswith(": the cause is quality")
    assert raised.body.playbook_reason_zh.endswith("：流失原因为质量")
    assert raised.body.summary_en == "3 complaints in the last 30 days, about 0.2 would be usual for this customer."
    assert raised.body.summary_zh == "近30天投诉3次，该客户通常约0.2次。"


def test_new_evidence_updates_the_one_open_alert() -> None:
    said = [complaint("a", at(200, minute)) for minute in range(5)]

    log = decided([*said, tick(at(201, 30))])

    assert {record.alert_id for record in log.alerts} == {log.alerts[0].alert_id}
    assert [record.revision for record in log.alerts] == list(range(1, len(log.alerts) + 1))
    last = log.alerts[-1]
    assert isinstance(last, AlertUpdated) and last.body.signals[0].value == 5


def test_alert_of_signals_ends_as_recovered_when_its_evidence_is_old() -> None:
    said = [complaint("a", at(200, minute)) for minute in (1, 2, 3)]

    log = decided([*said, *(tick(at(201 + day)) for day in range(40))])

    assert kinds(log.alerts) == ["raised", "recovered"]
    assert log.alerts[1].at == at(231)


def test_inquiry_that_leads_to_no_order_counts_a_week_later() -> None:
    rules = Rules(signal_thresholds=dict.fromkeys(TIERS, 0.7))
    asked = [calm(inquiry("a", at(10), "kettle")), calm(inquiry("a", at(12), "kettle"))]

    silent = decided([published(2, at(0), rules), *asked, tick(at(20, 30))])
    bought = decided([published(2, at(0), rules), *asked, calm(order("a", at(13))), tick(at(20, 30))])

    assert kinds(silent.alerts) == ["raised"] and silent.alerts[0].at == at(20)
    assert silent.alerts[0].rules_version == 2
    assert bought.alerts == []


def test_contacts_stand_in_for_purchases_where_nothing_is_sold() -> None:
    contacts: list[Heard] = [calm(message("a", at(4 * i, 600))) for i in range(20)]

    log = decided([*contacts, tick(at(160))])

    raised = log.alerts[0]
    assert isinstance(raised, AlertRaised)
    assert [signal.name for signal in raised.body.signals] == ["contact_falling_silent"]
    assert "get in touch" in raised.body.summary_en
    assert kinds(decided([*contacts, tick(at(140)), calm(message("a", at(141)))]).alerts) == ["raised", "returned"]


def test_change_of_rules_redecides_nothing() -> None:
    strict = Rules(silence_thresholds=dict.fromkeys(TIERS, 0.99))
    orders = regular("a", 20)

    log = decided([*orders, tick(at(19 * 7 + 100)), published(2, at(19 * 7 + 101), strict), tick(at(19 * 7 + 115))])

    assert kinds(log.alerts) == ["raised"]
    assert log.alerts[0].rules_version == 1


def test_rules_of_the_business_decide_what_counts_as_silence() -> None:
    silence = SilenceRules(horizon_days=28, window_days=14, lost_after_days=28, min_events=3)
    weekly = Rules(purchases=silence, silence_thresholds=dict.fromkeys(TIERS, 0.2))
    orders = regular("a", 20)

    log = decided([published(2, at(-1), weekly), *orders, *(tick(at(134 + day)) for day in range(40))])

    assert kinds(log.alerts)[-2:] == ["raised", "lost"]
    assert at(134 + 4) <= log.alerts[-2].at <= at(134 + 27)


def test_erased_customer_leaves_no_state() -> None:
    log = decided([*(complaint("a", at(200, minute)) for minute in (1, 2, 3)), calm(erased("a", at(201)))])

    assert kinds(log.alerts)[-1] == "erased"
    assert log.partition.states.get("a") is None
    assert len(log.partition.states) == 1 and log.partition.states.get(erased_key("a")) is not None
    assert log.partition.timers.get("a") is None and "a" not in log.risks


def test_what_happened_before_an_erasure_stays_away_and_what_comes_after_is_a_new_customer() -> None:
    before = [complaint("a", at(200, minute)) for minute in (1, 2, 3)]
    gone = calm(erased("a", at(201)))

    log = decided([*before, gone, *before, gone])
    assert log.partition.states.get("a") is None
    assert kinds(log.alerts)[-1] == "erased" and kinds(log.alerts).count("raised") == 1

    log.add(calm(order("a", at(202))))
    log.add(before[0])
    log.decide()
    state = log.state("a")
    assert state is not None and state.purchases is not None and state.signals.complaints is None


def test_linked_customer_is_judged_no_more_and_his_history_leaves() -> None:
    log = decided([*regular("a", 20), linked("a", at(140), "b", version=7), tick(at(400))])

    assert log.alerts == []
    assert log.partition.timers.get("a") is None
    [moved] = log.sent
    assert isinstance(moved, HistoryMoved)
    assert (moved.to_id, [history.of_id for history in moved.histories]) == ("b", ["a"])


def test_risk_is_told_with_reasons_in_both_languages_and_marked_as_prior() -> None:
    log = decided(regular("a", 8))

    outlook = log.risks["a"]
    assert outlook.state == "active" and outlook.n_purchases == 8
    assert outlook.risk is not None and outlook.risk.is_prior and 0 < outlook.risk.p_churn < 0.5
    assert outlook.risk.reasons and all(reason.reason_en and reason.reason_zh for reason in outlook.risk.reasons)
    assert outlook.risk.expected_next_at is not None and outlook.risk.expected_next_at > at(49)


def test_a_long_run_decides_what_short_ones_do() -> None:
    """Customers are put away within a run and taken up again, among many others (`agent.py`)."""
    entries: list[Heard] = []
    for number in range(600):
        owner, minute = f"c{number * 7 % 40}", at(300, number)
        if number % 5 == 0:
            entries.append(calm(order(owner, minute)))
        else:
            entries.append(complaint(owner, minute) if number % 3 == 0 else calm(message(owner, minute)))

    together = decided(entries)
    apart = decided(entries, cuts=range(1, 600, 3))

    assert len(together.alerts) > 5
    assert sorted(together.alerts, key=_place) == sorted(apart.alerts, key=_place)
    for owner in {str(event.customer.id) for event, _ in entries}:
        assert together.state(owner) == apart.state(owner) is not None


def _place(record: AlertRecord) -> tuple[str, int]:
    return record.alert_id, record.revision
