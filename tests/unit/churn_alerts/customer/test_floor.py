"""The floor waits for half of a usual gap unless the company's own past says clearly that earlier is better."""

from msgspec.structs import replace

from services.churn_alerts.customer.due import SilencePolicy, floor_days
from services.churn_alerts.customer.floor import FEWEST_CHURNED, floor_gap_share
from services.churn_alerts.customer.generation import USUAL_GAP_SHARE, prior_for
from services.churn_alerts.customer.history import history_of
from tests.factories.purchase_log import FIRST_DAY, purchase_log, until

POLICY = SilencePolicy(min_purchases=2, lost_after_days=28, window_days=14)
LOG = purchase_log(120, 300)
DAY = FIRST_DAY + 240


def test_few_known_outcomes_keep_half_of_the_usual_gap() -> None:
    history = history_of(LOG[: FEWEST_CHURNED // 2], 28.0)

    assert floor_gap_share(history, DAY, prior_for(28), POLICY) == USUAL_GAP_SHARE


def test_the_choice_looks_at_nothing_after_its_day() -> None:
    known, whole = history_of(until(LOG, DAY), 28.0), history_of(LOG, 28.0)

    assert floor_gap_share(known, DAY, prior_for(28), POLICY) == floor_gap_share(whole, DAY, prior_for(28), POLICY)


def test_without_the_usual_gap_a_quarter_of_the_window_is_left() -> None:
    columns = history_of(LOG, 28.0).columns_at_end()

    early = floor_days(columns, replace(prior_for(28), floor_gap_share=0.0), POLICY)

    assert set(early.tolist()) == {4}
