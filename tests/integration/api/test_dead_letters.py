"""Dead letters over HTTP on real parts: browse, mend, replay, discard."""

import pytest

from shared.contracts.codec import encode
from tests.factories.records import enriched, message
from tests.integration.api.conftest import Api
from tests.waiting import eventually

pytestmark = pytest.mark.integration
ENRICHED = "interactions.enriched"


def poison(api: Api, *values: bytes) -> list[dict[str, object]]:
    """Write records nobody can decode and return their letters once they are listed."""
    api.publish_raw(ENRICHED, [("c1", value) for value in values])
    return eventually(lambda: _listed(api, len(values)))


def _listed(api: Api, n: int) -> list[dict[str, object]]:
    items: list[dict[str, object]] = api.get("/v1/dead-letters")["items"]
    return items if len(items) == n else []


def test_a_letter_shows_its_bytes_and_its_reason(api: Api) -> None:
    [summary] = poison(api, b'{"type":"event.enriched"}')

    letter = api.get(f"/v1/dead-letters/{summary['id']}")

    assert letter["value_text"] == '{"type":"event.enriched"}'
    assert (letter["stage"], letter["key_text"], letter["status"]) == ("api", "c1", "open")
    assert "missing required field" in letter["reason"]


def test_letters_are_counted_by_stage_and_reason(api: Api) -> None:
    poison(api, b"{", b"{}", b"{}")

    counts = api.get("/v1/dead-letters/counts")

    assert counts["n_open"] == 3
    assert {(item["stage"], item["n"]) for item in counts["items"]} == {("api", 1), ("api", 2)}


def test_a_mended_letter_arrives_where_it_was_going(api: Api) -> None:
    [letter] = poison(api, b"{")
    mended = encode(enriched(message("mended"))).decode()

    answer = api.post(f"/v1/dead-letters/{letter['id']}/replay", {"value": mended})
    again = api.post(f"/v1/dead-letters/{letter['id']}/replay")
    api.wait_projected()

    assert (answer.status_code, answer.json()["status"], again.status_code) == (200, "replayed", 409)
    assert [item["id"] for item in api.get("/v1/customers/c1/timeline")["items"]] == ["mended"]


def test_many_letters_are_replayed_at_once_and_fail_again_as_new_letters(api: Api) -> None:
    letters = poison(api, b"{", b"}")

    answer = api.post("/v1/dead-letters/replay", {"ids": [*(letter["id"] for letter in letters), "nobody"]})

    assert [item["status"] for item in answer.json()["items"]] == [200, 200, 404]
    assert eventually(lambda: api.get("/v1/dead-letters/counts")["n_open"] == 2)


def test_many_letters_are_given_up_at_once_for_one_reason(api: Api) -> None:
    first, second = (str(letter["id"]) for letter in poison(api, b"{", b"}"))
    api.post(f"/v1/dead-letters/{first}/discard", {"reason": "seen before"})

    answer = api.post("/v1/dead-letters/discard", {"ids": [first, second, "nobody"], "reason": "a flood"}).json()

    assert ([item["status"] for item in answer["items"]], answer["n_discarded"]) == ([409, 200, 404], 1)
    assert [api.get(f"/v1/dead-letters/{one}")["note"] for one in (first, second)] == ["seen before", "a flood"]
    assert api.post("/v1/dead-letters/discard", {"ids": [second], "reason": ""}).status_code == 422


def test_a_discarded_letter_says_why(api: Api) -> None:
    [letter] = poison(api, b"{")

    answer = api.post(f"/v1/dead-letters/{letter['id']}/discard", {"reason": "a test"}).json()

    assert (answer["status"], answer["note"], answer["handled_by"]) == ("discarded", "a test", "first admin")
