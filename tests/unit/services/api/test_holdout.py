"""The holdout: a fixed share of alerts, chosen by id alone, decided once in an alert's life."""

from services.api.alert.decide import decide_record, replay
from services.api.alert.holdout import is_held_out
from services.api.alert.model import Raised
from tests.factories.records import raised

IDS = [f"al_{number}" for number in range(5_000)]


def test_the_share_held_out_is_the_ratio() -> None:
    n_out = sum(is_held_out(alert_id, 0.2) for alert_id in IDS)

    # Five standard deviations of a binomial around 1,000.
    assert abs(n_out - 1_000) < 5 * (5_000 * 0.2 * 0.8) ** 0.5


def test_a_greater_ratio_keeps_those_already_held_out() -> None:
    assert all(is_held_out(alert_id, 0.3) for alert_id in IDS if is_held_out(alert_id, 0.2))


def test_none_and_all_are_possible() -> None:
    assert not any(is_held_out(alert_id, 0.0) for alert_id in IDS)
    assert all(is_held_out(alert_id, 1.0) for alert_id in IDS)


def test_an_alert_keeps_the_side_it_was_first_raised_on() -> None:
    alert = replay(decide_record(None, raised("a1"), 0.0))
    assert alert is not None

    [event] = decide_record(alert, raised("a1", revision=2), 1.0)

    assert isinstance(event, Raised)
    assert not event.is_held_out
