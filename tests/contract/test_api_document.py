"""The API's OpenAPI document holds together: references resolve, errors are told, examples are what they claim."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from services.api.bootstrap import openapi

ALWAYS = {"400", "401", "403", "422", "429", "503"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert set(references(document)) <= known


def test_every_operation_tells_its_errors_and_has_a_summary(document: dict[str, Any]) -> None:
    wrong = [name for name, o in operations(document) if not (set(o["responses"]) >= ALWAYS and o.get("summary"))]

    assert wrong == []


def test_an_operation_that_changes_an_alert_tells_of_conflicts(document: dict[str, Any]) -> None:
    acknowledge = document["paths"]["/v1/alerts/{alert_id}/acknowledge"]["post"]

    assert {"404", "409"} <= set(acknowledge["responses"])


def test_every_body_has_an_example_that_satisfies_its_schema(document: dict[str, Any]) -> None:
    bodies = {
        name: content
        for name, operation in operations(document)
        for content in operation.get("requestBody", {}).get("content", {}).values()
    }

    assert len(bodies) > 20
    assert [name for name, content in bodies.items() if "example" not in content] == []
    for content in bodies.values():
        jsonschema.validate(content["example"], content["schema"] | {"components": document["components"]})
