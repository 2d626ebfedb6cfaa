"""What is read of the interactions beside the orders."""

import gzip
from pathlib import Path

import pytest

from services.churn_alerts.backtest.contacts import read_contacts
from shared.contracts.codec import encode
from tests.factories.records import NOON, message


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_a_customers_contacts_are_read_from_a_plain_or_packed_file(tmp_path: Path, is_packed: bool) -> None:
    lines = encode(message("e1")) + b"\n\nno event\n" + encode(message("e2")) + b"\n"
    path = tmp_path / "events.ndjson"
    path.write_bytes(gzip.compress(lines) if is_packed else lines)

    contacts = read_contacts(path)

    assert (contacts.n_read, contacts.n_rejected) == (3, 1)
    assert contacts.inbound_before("c1", NOON.toordinal() - 719_163) == 2
