"""The ingest application around its routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from services.ingest.app import build_app


def test_a_fault_is_a_problem_document_that_says_what_to_do() -> None:
    async def broken(_: Request) -> Response:
        raise ZeroDivisionError

    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield

    with TestClient(build_app([Route("/v1/broken", broken)], nothing), raise_server_exceptions=False) as client:
        answer = client.get("/v1/broken")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:pulseline:problem:internal"
    assert "send it again" in answer.json()["detail"]
