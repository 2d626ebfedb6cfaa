"""What the application itself answers, whatever its routes do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from services.api.address import Instant
from services.api.app import build_app
from services.api.metrics import ApiMetrics
from tests.fakes.clock import FakeClock


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


def client_of(router: APIRouter, folder: Path) -> TestClient:
    metrics = ApiMetrics(CollectorRegistry())
    return TestClient(build_app([router], [], console_dir=folder, metrics=metrics, clock=FakeClock(), lifespan=nothing))


def test_a_wrong_method_is_told_every_method_of_its_address(tmp_path: Path) -> None:
    router = APIRouter()
    for method in ("PATCH", "DELETE"):
        router.add_api_route("/v1/things/{name}", lambda name: name, methods=[method])

    answer = client_of(router, tmp_path).get("/v1/things/a")

    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, PATCH")


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("2026-01-01T08:00:00+08:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T08:00:00.250+0800", "2026-01-01T00:00:00.250000Z"),
        ("2026-01-01+08:00+08:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T08:00:00%2B08:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01+08:00", None),
        ("2026-01-01T08:00+", None),
    ],
)
def test_an_offsets_plus_need_not_be_escaped(tmp_path: Path, sent: str, taken: str | None) -> None:
    router = APIRouter()

    @router.get("/v1/things")
    def things(since: Instant) -> dict[str, Instant]:
        return {"taken": since}

    answer = client_of(router, tmp_path).get(f"/v1/things?since={sent}")

    assert answer.json().get("taken") == taken
