"""Sealed secrets open under their key, for their owner, unchanged; keys can be replaced step by step."""

import base64
from pathlib import Path

import pytest

from shared.connection.seal import SealError, SecretsKey, SecretsKeyError

OLD, NEW = b"o" * 32, b"n" * 32
NONCE = b"n" * 12


def test_sealed_value_opens_for_its_owner() -> None:
    key = SecretsKey([OLD])

    assert key.open(key.seal(b"secret", "shop", NONCE), "shop") == b"secret"


def test_sealed_value_does_not_hold_the_secret() -> None:
    assert b"secret" not in SecretsKey([OLD]).seal(b"secret", "shop", NONCE)


def test_sealed_value_cannot_be_moved_to_another_owner() -> None:
    key = SecretsKey([OLD])

    with pytest.raises(SealError):
        key.open(key.seal(b"secret", "shop", NONCE), "other")


@pytest.mark.parametrize("position", [0, 1, 5, 17, -1])
def test_changed_value_does_not_open(position: int) -> None:
    key = SecretsKey([OLD])
    sealed = bytearray(key.seal(b"secret", "shop", NONCE))
    sealed[position] ^= 1

    with pytest.raises(SealError):
        key.open(bytes(sealed), "shop")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"x" * 40])
def test_garbage_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealError):
        SecretsKey([OLD]).open(sealed, "shop")


def test_second_key_still_opens_what_it_sealed() -> None:
    sealed = SecretsKey([OLD]).seal(b"secret", "shop", NONCE)

    assert SecretsKey([NEW, OLD]).open(sealed, "shop") == b"secret"


def test_key_file_holds_the_newest_key_first(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(base64.b64encode(NEW) + b"\n" + base64.b64encode(OLD) + b"\n")

    sealed = SecretsKey.from_file(path).seal(b"secret", "shop", NONCE)

    assert SecretsKey([NEW]).open(sealed, "shop") == b"secret"


@pytest.mark.parametrize("content", [b"", b"c2hvcnQ=", b"not base64!", b"\xff"])
def test_bad_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(SecretsKeyError):
        SecretsKey.from_file(path)


def test_test_mark_is_for_one_delivery_of_one_connection() -> None:
    mark = SecretsKey([OLD]).mark("shop", b"body")

    assert SecretsKey([NEW, OLD]).is_marked(mark, "shop", b"body")
    assert not SecretsKey([OLD]).is_marked(mark, "shop", b"other")
    assert not SecretsKey([OLD]).is_marked(mark, "other", b"body")
    assert not SecretsKey([NEW]).is_marked("\u20ac", "shop", b"body")
