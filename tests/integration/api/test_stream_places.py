"""Where a stream stands: with a customer who is merged while it is open, and behind an end of the log."""

import threading
from functools import partial

import asyncpg
import httpx2
import pytest

from shared.contracts.identity import CustomerLinked
from tests.factories.records import NOON, enriched, message, raised
from tests.integration.api.conftest import Api
from tests.integration.api.test_alerts import StreamReader, stream
from tests.loopback import LOOPBACK
from tests.waiting import eventually

pytestmark = pytest.mark.integration
ENRICHED, ALERTS = "interactions.enriched", "churn.alerts"
BEYOND = 10**12


def alert_ids(reader: StreamReader) -> set[object]:
    return {event["alert_id"] for event in reader.data if "alert_id" in event}


def test_open_streams_follow_a_merge(api: Api) -> None:
    link = CustomerLinked(at=NOON, linked_id="old", into_id="new", version=1, by="crm", reason="the same")
    with (
        stream(api.process.url, api.key, query="?customer_id=old") as old,
        stream(api.process.url, api.key, query="?customer_id=new") as new,
        stream(api.process.url, api.key, query="?customer_id=other") as other,
    ):
        api.publish(ALERTS, raised("a-old", "old"), raised("a-new", "new"), raised("a-other", "other"))
        eventually(lambda: alert_ids(old) and alert_ids(new) and alert_ids(other))
        before = (alert_ids(old), alert_ids(new))
        api.publish(ENRICHED, enriched(message("e1", "old")), enriched(message("n1", "new")), link)
        api.wait_projected()
        api.publish(ALERTS, raised("late", "old"), raised("later", "new"), raised("a-other-2", "other"))
        eventually(lambda: "a-other-2" in alert_ids(other))
        eventually(lambda: len(alert_ids(old)) == 3 and len(alert_ids(new)) == 3)

    assert before == ({"a-old"}, {"a-new"})
    assert alert_ids(old) == {"a-old", "late", "later"}
    assert alert_ids(new) == {"a-new", "late", "later"}
    assert alert_ids(other) == {"a-other", "a-other-2"}


def test_a_long_poll_follows_a_merge_while_it_waits(api: Api) -> None:
    link = CustomerLinked(at=NOON, linked_id="old", into_id="new", version=1, by="crm", reason="the same")
    position = api.get("/v1/alerts")["last_event_id"]
    answers: list[dict[str, object]] = []

    def poll() -> None:
        answers.append(api.get("/v1/alerts/events", after=position, customer_id="old", wait_s=15))

    waiting = threading.Thread(target=poll)
    waiting.start()
    api.publish(ENRICHED, enriched(message("e1", "old")), enriched(message("n1", "new")), link)
    api.wait_projected()
    api.publish(ALERTS, raised("later", "new"))
    waiting.join(30)

    [answer] = answers
    assert [event["alert_id"] for event in answer["items"]] == ["later"]  # type: ignore[attr-defined]


def test_a_stream_from_beyond_the_end_of_the_log_says_so_and_starts_at_the_newest(api: Api) -> None:
    api.publish(ALERTS, raised("a1"))
    api.wait_projected()
    newest = api.get("/v1/alerts")["last_event_id"]

    with stream(api.process.url, api.key, after=BEYOND) as reader:
        eventually(lambda: reader.data)
        api.publish(ALERTS, raised("a2", "c2"))
        eventually(lambda: alert_ids(reader))

    assert reader.data[0] == {"last_event_id": newest}
    assert reader.ids[0] == newest
    assert alert_ids(reader) == {"a2"}
    assert newest < reader.ids[1] < BEYOND


def test_a_long_poll_from_beyond_the_end_of_the_log_is_answered_at_once(api: Api) -> None:
    api.publish(ALERTS, raised("a1"))
    api.wait_projected()
    newest = api.get("/v1/alerts")["last_event_id"]

    # It would wait for longer than the client does.
    with httpx2.Client(headers={"Authorization": f"Bearer {api.key}"}, timeout=20, **LOOPBACK) as client:
        answer = client.get(f"{api.process.url}/v1/alerts/events", params={"after": BEYOND, "wait_s": 30})

    assert answer.json() == {"items": [], "last_event_id": newest}


def test_a_client_whose_newest_events_were_erased_goes_on_where_it_was(api: Api) -> None:
    api.publish(ALERTS, raised("a1"), raised("a2", "c2"))
    api.wait_projected()
    seen = api.get("/v1/alerts")["last_event_id"]
    api.execute("BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM alert_events; COMMIT")

    with api.make_process("second").start() as second, stream(second.url, api.key, after=seen) as reader:
        api.publish(ALERTS, raised("a3", "c3"))
        eventually(lambda: reader.data)

    assert alert_ids(reader) == {"a3"}
    assert len(reader.data) == 1


def set_back(api: Api) -> bool:
    """Empty the log, begin its ids anew and cut every connection; false where the API's own work came in between."""
    try:
        api.execute(
            "TRUNCATE alert_events, alerts; SELECT setval('alert_events_seq', 1, false); "
            "UPDATE policy_position SET seq = 0; "
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    except asyncpg.DeadlockDetectedError:
        return False
    return True


def test_open_streams_go_on_after_the_log_was_set_back_to_a_backup(api: Api) -> None:
    with stream(api.process.url, api.key) as reader:
        api.publish(ALERTS, *(raised(f"a{n}", f"c{n}") for n in range(5)))
        eventually(lambda: len(alert_ids(reader)) == 5)
        eventually(partial(set_back, api))
        eventually(lambda: {"last_event_id": 0} in reader.data)
        api.publish(ALERTS, raised("after", "c9"))
        eventually(lambda: "after" in alert_ids(reader))

    assert reader.ids[-1] == 1
