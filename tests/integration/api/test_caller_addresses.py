"""Whose address counts at login, asked of the service as it is served: the caller's, unless a trusted proxy says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.loopback import LOOPBACK
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.integration


@contextmanager
def served(database_url: str, folder: Path, **settings: str) -> Iterator[str]:
    """Yield the address of an API without a broker: people log in all the same."""
    environment = {"PULSELINE_DATABASE_URL": database_url, "PULSELINE_KAFKA_BOOTSTRAP": "127.0.0.1:9", **settings}
    with ServiceProcess("api", environment, folder).answering("/v1/session", 401) as url:
        yield url


def guesses(url: str, *said: str) -> list[int]:
    """Return how wrong keys are answered, each sent with an X-Forwarded-For."""
    return [
        httpx2.post(
            f"{url}/v1/session", json={"api_key": "pl_wrong"}, headers={"X-Forwarded-For": one}, **LOOPBACK
        ).status_code
        for one in said
    ]


def test_who_guesses_keys_cannot_choose_his_address(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as url:
        answers = guesses(url, *(f"203.0.113.{n}" for n in range(12)))

    assert answers == [401] * 10 + [429] * 2


def test_behind_a_trusted_proxy_each_client_has_his_own_guesses(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, PULSELINE_API_TRUSTED_PROXIES="127.0.0.1") as url:
        one = guesses(url, *(f"198.51.100.{n}, 203.0.113.1" for n in range(12)))
        other = guesses(url, "203.0.113.2")

    assert (one, other) == ([401] * 10 + [429] * 2, [401])
