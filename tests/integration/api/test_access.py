"""Who may do what, endpoint by endpoint; logins, sessions, lockout, headers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from services.api.auth.rights import ROLE_SCOPES, ROLES
from shared.postgres.api_keys import Role
from tests.factories.records import enriched, message, raised
from tests.integration.api.conftest import Api
from tests.loopback import LOOPBACK

pytestmark = pytest.mark.integration

# What each endpoint wants, written out here once more so that a slip in a route is noticed.
TABLE: dict[tuple[str, str], str | None] = {
    ("GET", "/v1/session"): None,
    ("DELETE", "/v1/session"): None,
    ("GET", "/v1/customers"): "customers:read",
    ("GET", "/v1/customers/at-risk"): "customers:read",
    ("GET", "/v1/customers/export"): "export:read",
    ("GET", "/v1/customers/{customer_id}"): "customers:read",
    ("GET", "/v1/segments"): "customers:read",
    ("POST", "/v1/segments"): "segments:write",
    ("GET", "/v1/segments/{segment_id}"): "customers:read",
    ("PUT", "/v1/segments/{segment_id}"): "segments:write",
    ("DELETE", "/v1/segments/{segment_id}"): "segments:write",
    ("GET", "/v1/customers/{customer_id}/profile"): "customers:read",
    ("GET", "/v1/customers/{customer_id}/timeline"): "customers:read",
    ("GET", "/v1/customers/{customer_id}/risk-history"): "customers:read",
    ("GET", "/v1/kpis/outcome"): "holdout:read",
    ("GET", "/v1/kpis/retention"): "customers:read",
    ("GET", "/v1/kpis/service"): "customers:read",
    ("GET", "/v1/alerts/threshold-preview"): "alerts:read",
    ("GET", "/v1/alerts/causes"): "alerts:read",
    ("GET", "/v1/assignment-rules"): "policies:read",
    ("POST", "/v1/assignment-rules"): "policies:write",
    ("GET", "/v1/assignment-rules/{policy_id}"): "policies:read",
    ("PUT", "/v1/assignment-rules/{policy_id}"): "policies:write",
    ("DELETE", "/v1/assignment-rules/{policy_id}"): "policies:write",
    ("GET", "/v1/escalation-policies"): "policies:read",
    ("POST", "/v1/escalation-policies"): "policies:write",
    ("GET", "/v1/escalation-policies/{policy_id}"): "policies:read",
    ("PUT", "/v1/escalation-policies/{policy_id}"): "policies:write",
    ("DELETE", "/v1/escalation-policies/{policy_id}"): "policies:write",
    ("GET", "/v1/routing-rules"): "policies:read",
    ("POST", "/v1/routing-rules"): "policies:write",
    ("GET", "/v1/routing-rules/{policy_id}"): "policies:read",
    ("PUT", "/v1/routing-rules/{policy_id}"): "policies:write",
    ("DELETE", "/v1/routing-rules/{policy_id}"): "policies:write",
    ("GET", "/v1/calendars"): "policies:read",
    ("POST", "/v1/calendars"): "policies:write",
    ("GET", "/v1/calendars/{policy_id}"): "policies:read",
    ("PUT", "/v1/calendars/{policy_id}"): "policies:write",
    ("DELETE", "/v1/calendars/{policy_id}"): "policies:write",
    ("GET", "/v1/alerts"): "alerts:read",
    ("GET", "/v1/alerts/stream"): "alerts:read",
    ("GET", "/v1/alerts/events"): "alerts:read",
    ("GET", "/v1/alerts/{alert_id}"): "alerts:read",
    ("GET", "/v1/alerts/{alert_id}/events"): "alerts:read",
    ("POST", "/v1/alerts/bulk"): "alerts:write",
    ("POST", "/v1/alerts/{alert_id}/acknowledge"): "alerts:write",
    ("POST", "/v1/alerts/{alert_id}/assign"): "alerts:assign",
    ("POST", "/v1/alerts/{alert_id}/snooze"): "alerts:write",
    ("POST", "/v1/alerts/{alert_id}/escalate"): "alerts:write",
    ("POST", "/v1/alerts/{alert_id}/contact"): "alerts:write",
    ("POST", "/v1/alerts/{alert_id}/resolve"): "alerts:write",
    ("POST", "/v1/alerts/{alert_id}/reopen"): "alerts:assign",
    ("POST", "/v1/alerts/{alert_id}/comment"): "alerts:write",
    ("PUT", "/v1/alerts/{alert_id}/presence"): "alerts:read",
    ("DELETE", "/v1/alerts/{alert_id}/presence"): "alerts:read",
    ("POST", "/v1/sentiment/explain"): "customers:read",
    ("GET", "/v1/labels/export"): "export:read",
    ("PUT", "/v1/labels/{source}/{event_id}"): "labels:write",
    ("GET", "/v1/dead-letters"): "dead_letters:read",
    ("GET", "/v1/dead-letters/counts"): "dead_letters:read",
    ("POST", "/v1/dead-letters/replay"): "dead_letters:write",
    ("POST", "/v1/dead-letters/discard"): "dead_letters:write",
    ("GET", "/v1/dead-letters/{letter_id}"): "dead_letters:read",
    ("POST", "/v1/dead-letters/{letter_id}/replay"): "dead_letters:write",
    ("POST", "/v1/dead-letters/{letter_id}/discard"): "dead_letters:write",
    ("GET", "/v1/webhooks"): "notifications:read",
    ("POST", "/v1/webhooks"): "notifications:write",
    ("GET", "/v1/webhooks/{endpoint_id}"): "notifications:read",
    ("PATCH", "/v1/webhooks/{endpoint_id}"): "notifications:write",
    ("DELETE", "/v1/webhooks/{endpoint_id}"): "notifications:write",
    ("POST", "/v1/webhooks/{endpoint_id}/test"): "notifications:write",
    ("GET", "/v1/webhooks/{endpoint_id}/deliveries"): "notifications:read",
    ("POST", "/v1/webhooks/{endpoint_id}/replay"): "notifications:write",
    ("GET", "/v1/providers"): "connections:read",
    ("GET", "/v1/connections"): "connections:read",
    ("POST", "/v1/connections"): "connections:write",
    ("PATCH", "/v1/connections/{connection_id}"): "connections:write",
    ("DELETE", "/v1/connections/{connection_id}"): "connections:write",
    ("POST", "/v1/connections/{connection_id}/test"): "connections:write",
    ("GET", "/v1/identity/conflicts"): "customers:read",
    ("GET", "/v1/identity/conflicts/{conflict_id}"): "customers:read",
    ("GET", "/v1/identity/customers/{customer_id}/history"): "customers:read",
    ("POST", "/v1/identity/conflicts/{conflict_id}/decide"): "identity:write",
    ("POST", "/v1/identity/links"): "identity:write",
    ("POST", "/v1/identity/links/end"): "identity:write",
    ("GET", "/v1/keys"): "keys:write",
    ("POST", "/v1/keys"): "keys:write",
    ("POST", "/v1/keys/{key_id}/rotate"): "keys:write",
    ("DELETE", "/v1/keys/{key_id}"): "keys:write",
    ("GET", "/v1/audit"): "audit:read",
}


def status_of(client: httpx2.Client, method: str, path: str) -> int:
    filled = path.replace("{", "").replace("}", "")
    body: Any = {} if method in ("POST", "PUT", "PATCH") else None
    with client.stream(method, filled, json=body) as answer:
        return answer.status_code


def test_the_table_names_every_endpoint(api: Api) -> None:
    document = api.get("/openapi.json")

    listed = {(method.upper(), path) for path, item in document["paths"].items() for method in item}

    assert listed - {("POST", "/v1/session")} == set(TABLE)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_in_where_the_table_says_and_nowhere_else(api: Api, role: Role) -> None:
    wrong = []
    with api.client(api.key_for(role)) as client:
        for (method, path), scope in TABLE.items():
            is_let_in = status_of(client, method, path) not in (401, 403)
            if is_let_in != (scope is None or scope in ROLE_SCOPES[role]):
                wrong.append((method, path, is_let_in))

    assert wrong == []


def test_nobody_gets_in_without_a_key(api: Api) -> None:
    with httpx2.Client(base_url=api.process.url, **LOOPBACK) as client:
        statuses = {status_of(client, method, path) for method, path in TABLE}

    assert statuses == {401}


def test_a_console_session_needs_its_token_to_write(api: Api) -> None:
    api.publish("churn.alerts", raised("a1"))
    api.wait_projected()
    with httpx2.Client(base_url=api.process.url, **LOOPBACK) as browser:
        login = browser.post("/v1/session", json={"api_key": api.key})
        without = browser.post("/v1/alerts/a1/acknowledge")
        proof = {"X-CSRF-Token": browser.get("/v1/session").json()["csrf_token"]}
        done = browser.post("/v1/alerts/a1/acknowledge", headers=proof)
        browser.delete("/v1/session", headers=proof)
        after = browser.get("/v1/session")

    cookie = login.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert [without.status_code, done.status_code, after.status_code] == [403, 200, 401]


def test_a_key_is_shown_once_and_ends_when_it_is_rotated_or_revoked(api: Api) -> None:
    made = api.post("/v1/keys", {"name": "robot", "role": "viewer"}).json()
    rotated = api.post(f"/v1/keys/{made['id']}/rotate").json()

    with api.client(made["key"]) as old, api.client(rotated["key"]) as new, api.client() as admin:
        statuses = [old.get("/v1/session").status_code, new.get("/v1/session").status_code]
        admin.delete(f"/v1/keys/{rotated['id']}")
        statuses.append(new.get("/v1/session").status_code)
        listed = admin.get("/v1/keys").text

    assert statuses == [401, 200, 401]
    assert made["key"] not in listed
    assert rotated["key"] not in listed


@pytest.mark.parametrize("is_session", [False, True], ids=["key", "session"])
def test_an_open_stream_ends_with_its_key_or_session(api: Api, is_session: bool) -> None:
    made = api.post("/v1/keys", {"name": "wall", "role": "viewer"}).json()

    with api.client(made["key"]) as viewer, api.client() as admin:
        if is_session:
            viewer.post("/v1/session", json={"api_key": made["key"]})
            del viewer.headers["authorization"]
        with viewer.stream("GET", "/v1/alerts/stream") as stream:
            pieces = stream.iter_bytes()
            first = next(pieces)
            admin.delete(f"/v1/keys/{made['id']}")
            list(pieces)  # ends, or the client's time-out does
        again = viewer.get("/v1/alerts").status_code

    assert b"connected" in first
    assert again == 401


def test_a_key_rotated_with_an_overlap_stays_valid_until_it_ends(api: Api) -> None:
    made = api.post("/v1/keys", {"name": "shop", "role": "integrator"}).json()
    asked = datetime.now(UTC)
    rotated = api.post(f"/v1/keys/{made['id']}/rotate", {"overlap_hours": 24}).json()
    again = api.post(f"/v1/keys/{made['id']}/rotate", {"overlap_hours": 48})

    with api.client(made["key"]) as old, api.client(rotated["key"]) as new:
        statuses = [client.get("/v1/session").status_code for client in (old, new)]
    listed = {key["id"]: key for key in api.get("/v1/keys")["items"]}
    end = datetime.fromisoformat(listed[made["id"]]["expires_at"])

    assert (statuses, again.status_code) == ([200, 200], 409)
    assert abs(end - asked - timedelta(hours=24)) < timedelta(minutes=5)
    assert listed[rotated["id"]]["expires_at"] is None


@pytest.mark.parametrize("overlap_hours", [0, 24])
def test_a_key_rotated_many_times_at_once_is_replaced_by_one(api: Api, overlap_hours: int) -> None:
    name = f"rotated with {overlap_hours} hours"
    made = api.post("/v1/keys", {"name": name, "role": "viewer"}).json()

    with ThreadPoolExecutor(8) as threads:
        rotate = partial(api.post, f"/v1/keys/{made['id']}/rotate", {"overlap_hours": overlap_hours})
        statuses = [answer.result().status_code for answer in [threads.submit(rotate) for _ in range(8)]]
    keys = [key for key in api.get("/v1/keys")["items"] if key["name"] == name and key["id"] != made["id"]]

    assert sorted(statuses) == [201] + [409] * 7
    assert [key["expires_at"] for key in keys] == [None]


def test_a_key_that_has_expired_is_not_rotated(api: Api) -> None:
    made = api.post("/v1/keys", {"name": "over", "role": "viewer", "expires_at": "2100-01-01T00:00:00Z"}).json()
    api.execute(f"UPDATE api_keys SET expires_at = now() WHERE id = '{made['id']}'")

    answer = api.post(f"/v1/keys/{made['id']}/rotate")

    assert (answer.status_code, "expired" in answer.json()["detail"]) == (409, True)


def test_a_key_cannot_be_widened_beyond_its_role(api: Api) -> None:
    made = api.post("/v1/keys", {"name": "n", "role": "viewer", "scopes": ["alerts:read", "keys:write"]}).json()

    with api.client(made["key"]) as client:
        assert client.get("/v1/session").json()["scopes"] == ["alerts:read"]


def test_a_keeper_of_keys_gives_nobody_more_than_it_has(api: Api) -> None:
    scopes = ["keys:write", "alerts:read"]
    keeper = api.post("/v1/keys", {"name": "keeper", "role": "admin", "scopes": scopes}).json()
    admin = api.post("/v1/keys", {"name": "other", "role": "admin"}).json()

    with api.client(keeper["key"]) as client:
        more = client.post("/v1/keys", json={"name": "n", "role": "admin"})
        taken = client.post(f"/v1/keys/{admin['id']}/rotate")
        alike = client.post("/v1/keys", json={"name": "n", "role": "admin", "scopes": scopes})
        less = client.post("/v1/keys", json={"name": "n", "role": "viewer", "scopes": ["alerts:read"]})
    with api.client(admin["key"]) as client:
        still = client.get("/v1/session")

    assert [answer.status_code for answer in (more, taken, alike, less, still)] == [403, 403, 201, 201, 200]
    assert "customers:read" in more.json()["detail"]


def test_every_answer_carries_a_request_id_and_security_headers(api: Api) -> None:
    with api.client() as client:
        answer = client.get("/v1/alerts/none", headers={"X-Request-Id": "my-request-1"})

    assert answer.headers["x-request-id"] == "my-request-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.json()["type"] == "urn:pulseline:problem:not-found"


def test_a_label_is_kept_with_its_text_for_training(api: Api) -> None:
    api.publish("interactions.enriched", enriched(message("e1", text="很好，等了三天")))
    api.wait_projected()
    with api.client() as client:
        client.put("/v1/labels/test/e1", json={"label": "negative", "aspects": ["waiting"]})
        exported = client.get("/v1/labels/export").json()

    assert (exported["text"], exported["label"], exported["model_label"]) == ("很好，等了三天", "negative", "neutral")


def test_a_label_finds_its_event_by_a_source_and_an_id_with_slashes(api: Api) -> None:
    api.publish("interactions.enriched", enriched(message("m/1", text="ok", source="shop/eu")))
    api.wait_projected()
    with api.client() as client:
        kept = client.put("/v1/labels/shop%2Feu/m%2F1", json={"label": "positive"})
        unknown = client.put("/v1/labels/shop/eu%2Fm%2F1", json={"label": "positive"})

    assert (kept.status_code, unknown.status_code) == (200, 404)
    assert (kept.json()["source"], kept.json()["event_id"]) == ("shop/eu", "m/1")


@pytest.mark.parametrize("customer_id", ["shop/17", "a/timeline", "/", "50%2Foff", "wechat:gh_1/o_1", "a\nb"])
def test_a_customer_of_any_id_is_found(api: Api, customer_id: str) -> None:
    api.publish("interactions.enriched", enriched(message("e1", customer_id, text="hello")))
    api.wait_projected()
    sent = quote(customer_id, safe="")

    assert api.get(f"/v1/customers/{sent}")["customer_id"] == customer_id
    assert len(api.get(f"/v1/customers/{sent}/timeline")["items"]) == 1
    assert api.get(f"/v1/customers/{sent}/risk-history")["customer_id"] == customer_id
    assert api.get(f"/v1/identity/customers/{sent}/history")["items"] == []


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("path", ["/v1/alerts?since=", "/v1/alerts?until=", "/v1/customers/c1/timeline?since="])
def test_an_instant_at_the_end_of_the_calendar_is_one_like_others(api: Api, path: str, instant: str) -> None:
    api.publish("interactions.enriched", enriched(message("e1", "c1", text="hello")))
    api.wait_projected()

    assert api.get(path + quote(instant))["next_cursor"] is None


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("path", ["/v1/alerts/causes", "/v1/kpis/outcome"])
def test_a_period_without_an_end_is_answered_or_refused(api: Api, path: str, instant: str, name: str) -> None:
    with api.client() as client:
        answer = client.get(path, params={name: instant})

    assert answer.status_code in (200, 422), answer.text


@pytest.mark.parametrize("strange", ["m%0A1", "%0A", "%F1%A2%85%BB%0A%5D", "m%0A%2F1", "%2F%2F"])
def test_a_label_of_an_event_with_a_strange_id_is_not_found(api: Api, strange: str) -> None:
    with api.client() as client:
        answer = client.put(f"/v1/labels/shop/{strange}", json={"label": "positive"})

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_reasons_of_a_text_come_with_its_judgement(api: Api) -> None:
    with api.client() as client:
        explained = client.post("/v1/sentiment/explain", json={"text": "terrible delivery", "top": 3}).json()

    assert explained["sentiment"]["label"] == "negative"
    assert len(explained["reasons"]) == 3
    assert "terrible" in explained["reasons"][0]["piece"]


def test_a_customer_is_found_by_two_chinese_characters_a_handle_and_a_name(api: Api) -> None:
    handles = ["mailto:li@x.cn", "tel:+8613800138000"]
    api.publish("interactions.enriched", enriched(message("e1", text="我要退款", handles=handles)))
    api.wait_projected()
    by_handle = ("li@x.cn", "Li@X.cn", "mailto:li@x.cn", "+86 138-0013-8000", "tel:+8613800138000")

    found = {q: [hit["match"] for hit in api.get("/v1/customers", q=q)["items"]] for q in ("退款", "款退", *by_handle)}

    assert found == {"退款": ["text"], "款退": [], **{one: ["handle"] for one in by_handle}}


def test_an_export_guards_spreadsheets_against_formulas(api: Api) -> None:
    api.publish("interactions.enriched", enriched(message("e1", customer_id="=cmd()")))
    api.wait_projected()
    with api.client() as client:
        lines = client.get("/v1/customers/export").text.splitlines()

    assert lines[1].startswith("'=cmd()")


def test_the_audit_names_keys_that_are_revoked_have_expired_or_were_replaced(api: Api) -> None:
    made = api.post("/v1/keys", {"name": "mobile app", "role": "viewer"}).json()
    rotated = api.post(f"/v1/keys/{made['id']}/rotate").json()
    with api.client() as client:
        assert client.delete(f"/v1/keys/{rotated['id']}").status_code == 204
    api.execute(f"UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE id = '{rotated['id']}'")

    entries = api.get("/v1/audit", target_type="key")["items"]

    assert [(entry["action"], entry["target_id"], entry["target_name"]) for entry in entries] == [
        ("key.revoke", rotated["id"], "mobile app"),
        ("key.rotate", rotated["id"], "mobile app"),
        ("key.rotate", made["id"], "mobile app"),
        ("key.create", made["id"], "mobile app"),
    ]


def test_the_audit_names_what_was_removed_as_it_was_called_then(api: Api) -> None:
    made = api.post("/v1/segments", {"name": "gold", "filter": {"tiers": ["gold"]}}).json()
    with api.client() as client:
        address = f"/v1/segments/{made['id']}"
        assert client.put(address, json={"name": "gold, silent", "filter": {"tiers": ["gold"]}}).status_code == 200
        assert client.delete(address).status_code == 204

    entries = api.get("/v1/audit", target_type="segment")["items"]

    assert [entry["target_name"] for entry in entries] == ["gold, silent", "gold, silent", "gold"]


def test_guessing_keys_locks_the_address_out_of_logging_in(api: Api) -> None:
    with api.make_process("guessed").start() as process, httpx2.Client(base_url=process.url, **LOOPBACK) as client:
        guesses = [client.post("/v1/session", json={"api_key": f"pl_{n:08}_x"}).status_code for n in range(12)]
        right = client.post("/v1/session", json={"api_key": api.key})
        with_key = client.get("/v1/session", headers={"Authorization": f"Bearer {api.key}"})

    assert guesses == [401] * 10 + [429] * 2
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0
    assert with_key.status_code == 200
