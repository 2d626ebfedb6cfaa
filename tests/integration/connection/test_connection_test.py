"""The test button: a signed sample through the public door, which says what is wrong and keeps nothing."""

from typing import Any

import pytest

from services.api.connection.sample import Moment, sample
from shared.clock import SystemClock
from shared.connection.seal import TEST_HEADER
from tests.integration.connection.conftest import Pair
from tests.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def make(pair: Pair, shop: str, provider: str, **credentials: Any) -> None:
    answer = pair.call("POST", "/v1/connections", {"id": shop, "provider": provider, "credentials": credentials})
    assert answer.status_code == 201, answer.text


def outcome(pair: Pair, connection_id: str) -> dict[str, Any]:
    answer = pair.call("POST", f"/v1/connections/{connection_id}/test")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_good_connection_passes_and_nothing_is_counted_or_published(pair: Pair, shop: str) -> None:
    make(pair, shop, "twilio", auth_token="t")

    assert outcome(pair, shop)["ok"] is True

    assert pair.metric("pulseline_ingest_connection_events_total", {"connection": shop}) is None
    assert pair.connection(shop)["figures"]["n_received"] == 0


def test_sample_uses_the_new_secret_at_once_after_a_rotation(pair: Pair, shop: str) -> None:
    make(pair, shop, "meta", app_secret="one", verify_token="v")
    pair.call("PATCH", f"/v1/connections/{shop}", {"credentials": {"app_secret": "two"}})

    assert outcome(pair, shop)["ok"] is True


def test_what_only_the_provider_can_sign_says_how_to_go_on(pair: Pair, shop: str) -> None:
    make(pair, shop, "amazon_connect", topic_arn="arn:aws:sns:eu-west-1:123456789012:calls")

    answer = outcome(pair, shop)

    assert (answer["ok"], answer["problem"]) == (False, "cannot_sign")
    assert "publish a message" in answer["detail"]


def test_connection_of_the_file_is_tested_when_the_api_may_read_it(pair: Pair) -> None:
    eventually(lambda: pair.call("POST", "/v1/connections/of-the-file/test").status_code == 200, 30)
    assert outcome(pair, "of-the-file")["problem"] == "credentials_unreadable"

    pair.restart_api(PULSELINE_CONNECTIONS_FILE=str(pair.connections_file))

    assert outcome(pair, "of-the-file")["ok"] is True


def test_unreachable_ingest_is_said(pair: Pair, shop: str) -> None:
    make(pair, shop, "telegram", secret_token="t")
    pair.ingest.stop()

    answer = outcome(pair, shop)

    assert (answer["ok"], answer["problem"]) == (False, "unreachable")


def test_mark_of_an_outsider_makes_nothing_vanish(pair: Pair, shop: str) -> None:
    make(pair, shop, "telegram", secret_token="t")
    url = f"{pair.ingest.url}/v1/channels/{shop}"
    made = sample("telegram", {"secret_token": "t"}, url, Moment(id="0" * 32, at=SystemClock().now()))
    made.headers[TEST_HEADER] = "0" * 64

    assert pair.send(made) == 401
