"""The table of handles is a dict of strings in less memory."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.identity.table import HandleTable

HANDLES = [f"x:{n}" for n in range(12)]
changes = st.lists(st.tuples(st.sampled_from(HANDLES), st.none() | st.text(min_size=1, max_size=128)), max_size=80)


@given(changes)
def test_table_answers_as_a_dict_would(made: list[tuple[str, str | None]]) -> None:
    table, plain = HandleTable(), dict[str, str]()
    for handle, customer_id in made:
        if customer_id is None or not customer_id.isprintable():
            table.remove(handle)
            plain.pop(handle, None)
        else:
            table.put(handle, customer_id)
            plain[handle] = customer_id

    assert {handle: owner for handle in HANDLES if (owner := table.get(handle))} == plain
    assert len(table) == len(plain)


def test_table_grows_and_forgets_what_was_replaced() -> None:
    table = HandleTable()
    for turn in range(3):
        for n in range(3_000):
            table.put(f"tel:+86{n}", f"customer-{turn}-{n}")
    for n in range(0, 3_000, 2):
        table.remove(f"tel:+86{n}")

    assert table.get("tel:+861") == "customer-2-1"
    assert table.get("tel:+862") is None
    assert len(table) == 1_500
