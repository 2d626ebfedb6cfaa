"""Order does not matter inside 90 days, to the bit; merging is symmetric."""

from hypothesis import given
from hypothesis import strategies as st

from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import merge, no_purchases, observe, observe_return

Basket = tuple[int, float | None]
amounts = st.none() | st.floats(0, 1e6).map(lambda value: round(value, 2))
inside_ninety_days = st.lists(st.tuples(st.integers(0, 90), amounts), min_size=1, max_size=30)
years = st.lists(st.tuples(st.integers(0, 2_000), amounts), max_size=30)


def folded(baskets: list[Basket], start: int = 20_000) -> Purchases:
    state = no_purchases(30)
    for day, amount in baskets:
        state = observe(state, start + day, amount)
    return state


@given(older=years, baskets=inside_ninety_days, data=st.data())
def test_purchases_inside_ninety_days_commute(older: list[Basket], baskets: list[Basket], data: st.DataObject) -> None:
    past = folded(sorted(older, key=lambda basket: basket[0]), start=17_000)
    shuffled = data.draw(st.permutations(baskets))

    states = []
    for order in (baskets, shuffled, sorted(baskets, key=lambda basket: basket[0])):
        state = past
        for day, amount in order:
            state = observe(state, 20_000 + day, amount)
        states.append(state)

    assert states[0] == states[1] == states[2]


@given(days=st.lists(st.integers(0, 90), min_size=1, max_size=20), data=st.data())
def test_returns_inside_ninety_days_commute(days: list[int], data: st.DataObject) -> None:
    state = other = folded([(0, None)])

    for day in days:
        state = observe_return(state, 20_000 + day)
    for day in data.draw(st.permutations(days)):
        other = observe_return(other, 20_000 + day)

    assert state == other


@given(one=years, other=years)
def test_merging_is_symmetric(one: list[Basket], other: list[Basket]) -> None:
    first, second = folded(one), folded(other)

    assert merge(first, second) == merge(second, first)


@given(baskets=years)
def test_merging_with_nothing_changes_nothing(baskets: list[Basket]) -> None:
    state = folded(sorted(baskets, key=lambda basket: basket[0]))

    assert merge(state, no_purchases(30)) == state
