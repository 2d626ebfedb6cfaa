"""Whose word counts about the URL a provider called and signed, asked of ingest as it is served."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from services.api.connection.sample import Moment, sample
from shared.clock import SystemClock
from shared.ids import new_request_id
from tests.loopback import LOOPBACK
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.integration

CONNECTION = "[{id: phone, provider: twilio, credentials: {auth_token: secret-token}}]"
CALLED = "https://in.example/v1/channels/phone"


@contextmanager
def served(database_url: str, folder: Path, **settings: str) -> Iterator[str]:
    """Yield the address of an ingest without a broker: what verifies is answered 503, what does not 401."""
    file = folder / "connections.yaml"
    file.write_text(CONNECTION)
    environment = {
        "PULSELINE_DATABASE_URL": database_url,
        "PULSELINE_KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "PULSELINE_CONNECTIONS_FILE": str(file),
        "PULSELINE_INGEST_ACK_TIMEOUT_S": "0.2",
        **settings,
    }
    with ServiceProcess("ingest", environment, folder).answering("/v1/channels/nobody", 404) as url:
        yield url


def delivered(url: str, **said: str) -> int:
    """Return the status of a delivery signed for `CALLED`, with what its proxy says of it."""
    made = sample("twilio", {"auth_token": "secret-token"}, CALLED, Moment(id=new_request_id(), at=SystemClock().now()))
    headers = made.headers | {name.replace("_", "-"): value for name, value in said.items()}
    answer = httpx2.post(f"{url}/v1/channels/phone", content=made.body, headers=headers, timeout=20, **LOOPBACK)
    return answer.status_code


SAID = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "in.example", "X_Forwarded_For": "203.0.113.7"}


def test_a_trusted_proxy_says_what_was_called_whoever_it_speaks_for(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, PULSELINE_INGEST_TRUSTED_PROXIES="127.0.0.1") as url:
        assert delivered(url, **SAID) == 503


def test_nobody_else_does_neither_by_its_word_nor_in_a_proxys_name(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path, PULSELINE_INGEST_TRUSTED_PROXIES="10.0.0.1") as url:
        told = [delivered(url, Host="in.example", **SAID), delivered(url, **{**SAID, "X_Forwarded_For": "10.0.0.1"})]

    assert told == [401, 401]


def test_a_head_that_never_ends_is_refused(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as url:
        answer = httpx2.get(f"{url}/v1/channels/phone", headers={"X-More": "y" * 2_000_000}, timeout=20, **LOOPBACK)

    assert answer.status_code == 431
