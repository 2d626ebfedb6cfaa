import numpy as np
import pytest

from services.churn_alerts.customer.columns import Floats
from services.churn_alerts.customer.whole_numbers import WholeNumbers

WHOLE = np.random.default_rng(1).integers(0, 400, 5_000).astype(np.float64)


def faded(days: Floats) -> Floats:
    return np.exp(-days / 30.0)


def test_numbers_shared_give_the_bits_of_numbers_alone() -> None:
    numbers = WholeNumbers(WHOLE)

    assert numbers.each(faded).tobytes() == faded(WHOLE).tobytes()


def test_a_shared_number_is_computed_once() -> None:
    asked: list[int] = []

    def counted(days: Floats) -> Floats:
        asked.append(len(days))
        return days

    WholeNumbers(WHOLE).each(counted)

    assert asked == [400]


def test_several_functions_at_once_stand_in_rows() -> None:
    scales = np.array([[10.0], [20.0]])

    both = WholeNumbers(WHOLE).each(lambda days: np.log(days + scales))

    assert np.array_equal(both, np.log(WHOLE + scales))


@pytest.mark.parametrize("values", [WHOLE + 0.5, WHOLE - 1.0, WHOLE + 1e6, WHOLE[:3], WHOLE[:0]])
def test_what_is_not_whole_not_shared_or_below_zero_is_computed_as_it_stands(values: Floats) -> None:
    assert np.array_equal(WholeNumbers(values, least=1).each(np.square), np.square(values))
