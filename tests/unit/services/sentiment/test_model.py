import msgspec
import numpy as np
import pytest

from services.sentiment.interaction.model import (
    SHIPPED_ARTEFACT,
    ModelError,
    dump_model,
    load_model,
    parse_model,
)


def test_the_shipped_artefact_is_at_most_three_megabytes() -> None:
    assert SHIPPED_ARTEFACT.stat().st_size <= 3_000_000


@pytest.mark.slow
def test_a_model_survives_storing_to_the_byte() -> None:
    stored = SHIPPED_ARTEFACT.read_bytes()

    assert dump_model(parse_model(stored)) == stored


def test_a_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match="not a sentiment model"):
        parse_model(b"{}")


@pytest.mark.parametrize("version", [1, 99])
def test_a_model_of_another_version_is_refused(version: int) -> None:
    stored = msgspec.msgpack.decode(SHIPPED_ARTEFACT.read_bytes()) | {"version": version}

    with pytest.raises(ModelError, match=f"version {version} .* train it again"):
        parse_model(msgspec.msgpack.encode(stored))


def test_damaged_weights_are_refused() -> None:
    stored = msgspec.msgpack.decode(SHIPPED_ARTEFACT.read_bytes()) | {"weights": b"\x00\x01"}

    with pytest.raises(ModelError, match="damaged"):
        parse_model(msgspec.msgpack.encode(stored))


def test_weights_leave_no_head_empty() -> None:
    model = load_model()

    assert (np.count_nonzero(model.weights, axis=1) > 100_000).all()
