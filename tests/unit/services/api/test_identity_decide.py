"""Whose a handle is, of all in whose histories it was seen."""

from itertools import permutations

from services.api.identity.decide import owning_history
from shared.links import minted_id

HANDLE = "mailto:li@example.cn"


def test_a_handle_goes_with_its_own_id_whoever_else_was_seen_with_it() -> None:
    histories = ("ann", minted_id(HANDLE), "a", minted_id("tel:+8613800000001"))

    assert {owning_history(HANDLE, order) for order in permutations(histories)} == {minted_id(HANDLE)}


def test_without_its_own_id_the_least_has_it_in_any_order() -> None:
    assert {owning_history(HANDLE, order) for order in permutations(("cat", "ann", "bob"))} == {"ann"}
