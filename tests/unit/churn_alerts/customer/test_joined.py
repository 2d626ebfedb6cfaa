"""Alerts when customers are joined and parted: one open alert a customer, none lost, none doubled."""

from shared.contracts.alert import AlertCleared, AlertRaised
from tests.factories.churn_log import Heard, Log, at, calm, complaint, decided, erased, kinds, left, linked, unlinked


def surge(customer: str) -> list[Heard]:
    return [complaint(customer, at(200, minute), f"{customer}-{minute}") for minute in (1, 2, 3)]


def joined(*customers: str) -> Log:
    """Return the log in which `a` was linked into `b` after those customers had complained."""
    log = decided([*(one for customer in customers for one in surge(customer)), linked("a", at(201), "b", version=1)])
    return delivered(log)


def delivered(log: Log) -> Log:
    """Deliver histories that were sent until none is on its way."""
    while log.sent:
        moved, log.sent = log.sent, []
        for record in moved:
            log.add(record)
        log.decide()
    return log


def alert_ids(log: Log, customer: str) -> set[str]:
    return {
        record.alert_id for record in log.alerts if isinstance(record, AlertRaised) and record.customer_id == customer
    }


def test_open_alert_of_the_absorbed_customer_goes_on_as_the_survivors() -> None:
    log = joined("a")

    log.add(calm(erased("b", at(202))))
    log.decide()

    [cleared] = [record for record in log.alerts if isinstance(record, AlertCleared)]
    assert (cleared.customer_id, cleared.reason) == ("b", "erased")
    assert {cleared.alert_id} == alert_ids(log, "a")


def test_history_that_is_delivered_again_after_the_erasure_ends_its_alert_no_second_time() -> None:
    log = decided([*surge("a"), linked("a", at(201), "b", version=1)])
    [moved] = log.sent
    delivered(log)
    log.add(calm(erased("b", at(202))))
    # Again: what is remembered of the first erasure is not lost with the second.
    log.add(calm(erased("b", at(203))))
    log.decide()

    log.add(moved)
    log.decide()

    [cleared] = [record for record in log.alerts if isinstance(record, AlertCleared)]
    assert (cleared.customer_id, cleared.reason, cleared.at) == ("b", "erased", at(202))


def test_alert_of_a_history_that_comes_after_the_erasure_ends() -> None:
    log = decided([*surge("a"), linked("a", at(201), "b", version=1), calm(erased("b", at(202)))])

    delivered(log)

    [cleared] = [record for record in log.alerts if isinstance(record, AlertCleared)]
    assert (cleared.customer_id, cleared.reason) == ("b", "erased")


def test_second_open_alert_ends_as_merged() -> None:
    log = joined("a", "b")

    cleared = [record for record in log.alerts if isinstance(record, AlertCleared)]

    assert [(one.alert_id, one.reason) for one in cleared] == [(next(iter(alert_ids(log, "a"))), "merged")]
    assert kinds(log.alerts).count("raised") == 2


def test_alert_goes_home_when_the_link_ends() -> None:
    log = joined("a")
    log.add(unlinked("a", at(203), "b", version=2))
    log.add(left("b", at(203), "a", version=1))
    delivered(log.decide())

    log.add(calm(erased("b", at(204))))
    log.add(calm(erased("a", at(205))))
    log.decide()

    [cleared] = [record for record in log.alerts if isinstance(record, AlertCleared)]
    assert (cleared.customer_id, cleared.reason) == ("a", "erased")
    assert {cleared.alert_id} == alert_ids(log, "a")
