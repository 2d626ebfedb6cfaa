"""Every address of the OpenAPI document with values nobody means: never a fault, always an answer it names."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from shared.postgres.api_keys import Role
from tests.integration.api.conftest import Api, running_api

pytestmark = pytest.mark.integration

HOSTILE = {
    "a line break": "%0A",
    "a line break at the end": "a%0A",
    "CR and LF": "a%0D%0Ab",
    "NUL": "a%00",
    "a slash": "a%2Fb",
    "a lone surrogate": "%ED%A0%80",
    "no UTF-8": "%FF%FE",
    "very long": "x" * 20_000,
    "dots": "%2E%2E",
    "a separator of lines": "%E2%80%A8",
    "nothing at all": "",
    "an emoji": quote("🙂"),
    "a question mark": "%3F",
    "a percent sign": "%25",
}


@pytest.fixture(scope="module")
def own_api(kafka: Any, postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API whose keys and rows nobody else needs: some of these requests are carried out."""
    with running_api(kafka, postgres, tmp_path_factory) as running:
        yield running


def operations(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    document = api.get("/openapi.json")
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        # Endless, or as long as it is asked to take.
        if path not in ("/v1/alerts/stream", "/v1/alerts/events")
    ]


@pytest.mark.parametrize("role", ["admin", "viewer"])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_path_gets_an_answer_that_the_document_names(own_api: Api, role: Role, value: str) -> None:
    wrong = []
    with own_api.client(own_api.key_for(role)) as client:
        for method, path, operation in operations(own_api):
            names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
            for name in names:
                address = path.replace(f"{{{name}}}", value).replace("{", "").replace("}", "")
                body: Any = {} if method in ("POST", "PUT", "PATCH") else None
                status = client.request(method, address, json=body).status_code
                if str(status) not in {*operation["responses"], "404"}:
                    wrong.append((method, path, name, status))

    assert wrong == []


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_query_gets_an_answer_that_the_document_names(own_api: Api, value: str) -> None:
    wrong = []
    with own_api.client() as client:
        for method, path, operation in operations(own_api):
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and method == "GET":
                    address = f"{path.replace('{', '').replace('}', '')}?{parameter['name']}={value}"
                    answer = client.get(address)
                    if str(answer.status_code) not in operation["responses"]:
                        wrong.append((method, path, parameter["name"], answer.status_code))

    assert wrong == []


@pytest.mark.parametrize("header", ["Idempotency-Key", "If-Match"])
def test_a_hostile_header_gets_an_answer_that_the_document_names(own_api: Api, header: str) -> None:
    wrong = []
    with own_api.client() as client:
        for method, path, operation in operations(own_api):
            if header.lower() not in {p["name"].lower() for p in operation.get("parameters", [])}:
                continue
            for value in (b"\xff", b"\xed\xa0\x80", b"a\tb", b"x" * 9_000, b'"', b"W/", b"*", b'"9999999999999999999"'):
                address = path.replace("{", "").replace("}", "")
                status = client.request(method, address, json={}, headers=[(header.encode(), value)]).status_code
                if str(status) not in operation["responses"]:
                    wrong.append((method, path, value, status))

    assert wrong == []
