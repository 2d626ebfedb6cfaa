"""Questions of many customers answered at once: each answer is what the customer alone would get."""

from services.churn_alerts.customer.checks import Closing, Crossed, Crossing, Look, Question, answer, close
from services.churn_alerts.customer.in_force import InForce, ReadDocuments
from services.churn_alerts.customer.model import Purchases
from services.churn_alerts.customer.purchases import no_purchases, observe
from services.churn_alerts.customer.state import UNPLANNED


class NothingPublished:
    def in_force(self, name: str, at_ms: int) -> None:
        return None


def in_force() -> InForce:
    return InForce(NothingPublished(), ReadDocuments())


def bought(n: int, gap_days: int) -> Purchases:
    state = no_purchases(90)
    for number in range(n):
        state = observe(state, 20_000 + gap_days * number, "20.00")
    return state


def test_answers_do_not_depend_on_who_else_asks() -> None:
    questions: list[Question] = [
        Look(bought(5, 9), "orders", 40),
        Crossing(bought(16, 7), "orders", UNPLANNED, 119, "new"),
        Look(bought(3, 30), "orders", 0),
        Crossing(bought(4, 40), "orders", UNPLANNED, 60, "new", sigma=0.8),
        Crossing(bought(40, 3), "orders", 25, 119, "new"),
    ]

    together = answer(questions, in_force())

    assert together == [answer([question], in_force())[0] for question in questions]


def test_crossing_in_pieces_finds_the_same_check() -> None:
    purchases = bought(16, 7)
    [whole] = answer([Crossing(purchases, "orders", UNPLANNED, 119, "new")], in_force())

    found, first = None, UNPLANNED
    for until in range(16, 120):
        [piece] = answer([Crossing(purchases, "orders", first, until, "new")], in_force())
        assert isinstance(piece, Crossed)
        if piece.view is not None:
            found = piece.view
            break
        first = piece.next_check

    assert isinstance(whole, Crossed) and found is not None and found == whole.view


def test_signals_beside_a_silence_make_it_cross_earlier() -> None:
    purchases = bought(16, 7)

    plain, beside = answer(
        [Crossing(purchases, "orders", UNPLANNED, 119, "new", sigma=sigma) for sigma in (0.0, 1.2)], in_force()
    )

    assert isinstance(plain, Crossed) and isinstance(beside, Crossed)
    assert plain.view is not None and beside.view is not None
    assert beside.view.silence_days < plain.view.silence_days


def test_closing_gives_floor_view_and_value_where_asked_for() -> None:
    purchases = bought(16, 7)

    views, floors = close(
        [Closing(purchases, "orders", None, True, False), Closing(purchases, "orders", 20, False, True)], in_force()
    )

    assert views[0] is None and floors[0] == 15
    assert views[1] is not None and floors[1] is None
    assert views[1].residual_value is not None and views[1].residual_value > 0
