"""What the application itself answers, whatever its routes do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from services.api.app import build_app
from services.api.metrics import ApiMetrics
from tests.fakes.clock import FakeClock


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


def test_a_wrong_method_is_told_every_method_of_its_address(tmp_path: Path) -> None:
    router = APIRouter()
    for method in ("PATCH", "DELETE"):
        router.add_api_route("/v1/things/{name}", lambda name: name, methods=[method])
    metrics = ApiMetrics(CollectorRegistry())
    app = build_app([router], [], console_dir=tmp_path, metrics=metrics, clock=FakeClock(), lifespan=nothing)

    answer = TestClient(app).get("/v1/things/a")

    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PATCH")
