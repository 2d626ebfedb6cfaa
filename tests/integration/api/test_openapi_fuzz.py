"""Schemathesis over the whole OpenAPI document, in every role; rights themselves are in test_access."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.api.auth.rights import ROLES
from shared.postgres.api_keys import Role
from tests.factories.records import customer_risk, enriched, message, order, raised
from tests.integration.api.conftest import Api, running_api

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]
_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth,unsupported_method,missing_required_header"
)
# The other roles meet 403 nearly everywhere; the one that gets through is looked at longest.
_QUICK = ("--max-examples", "2", "--phases", "examples,fuzzing")
_EFFORT: dict[Role, tuple[str, ...]] = {"admin": ("--max-examples", "6", "--phases", "examples,coverage,fuzzing")}
# CI judges a change, not the day's luck; elsewhere every run looks somewhere else.
_REPEATABLE = ("--generation-deterministic",) if os.environ.get("CI") else ()
# Answers of these two may be endless, or wait as long as they are asked to.
_WAITING = ("--exclude-path", "/v1/alerts/stream", "--exclude-path", "/v1/alerts/events")


@pytest.fixture(scope="module")
def own_api(kafka: Any, postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Whoever may do everything ends with revoking everybody's keys: no other test may share this one."""
    with running_api(kafka, postgres, tmp_path_factory) as running:
        yield running


@pytest.mark.parametrize("role", ROLES)
def test_no_request_breaks_the_document(own_api: Api, role: Role, tmp_path: Path) -> None:
    own_api.publish("interactions.enriched", enriched(message("e1", text="我要退款")), enriched(order("o1", "c1", "3")))
    own_api.publish("churn.risk", customer_risk("c1"))
    own_api.publish("churn.alerts", *(raised(f"a{n}") for n in range(3)))
    own_api.wait_projected()

    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{own_api.process.url}/openapi.json", "--no-color"),
            *("--header", f"Authorization: Bearer {own_api.key_for(role)}", "--checks", _CHECKS),
            *(*_WAITING, *_EFFORT.get(role, _QUICK), *_REPEATABLE),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
