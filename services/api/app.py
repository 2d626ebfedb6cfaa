"""The API service's HTTP application: routes, errors as problems, the console's files, the OpenAPI document."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from services.api.alert.schemas import (
    ACTION_BODIES,
    AlertEventPage,
    AlertPage,
    AlertView,
    BulkBody,
    BulkResult,
    CausesOverTime,
)
from services.api.auth.schemas import (
    AuditPageView,
    KeyList,
    LoginBody,
    NewKeyBody,
    NewKeyView,
    RotateKeyBody,
    SessionView,
)
from services.api.connection.schemas import (
    ConnectionChangeBody,
    ConnectionList,
    ConnectionTestResult,
    ConnectionView,
    NewConnectionBody,
    ProviderList,
)
from services.api.customer.schemas import CustomerDetail, CustomerHits, CustomerPage, TimelinePageView
from services.api.dead_letter.schemas import (
    DeadLetterCounts,
    DeadLetterPage,
    DeadLetterView,
    DiscardBody,
    DiscardManyBody,
    DiscardResult,
    ReplayBody,
    ReplayManyBody,
    ReplayResult,
)
from services.api.edge import Edge
from services.api.identity.schemas import (
    CommandView,
    ConflictPage,
    ConflictView,
    DecideBody,
    LinkBody,
    LinkHistory,
    UnlinkBody,
)
from services.api.interaction.schemas import ExplainBody, Explanation, LabelBody, LabelView
from services.api.kpi.schemas import Outcome, Retention, Service
from services.api.metrics import ApiMetrics
from services.api.notification.schemas import (
    DeliveryPage,
    EndpointChangeBody,
    EndpointList,
    EndpointView,
    NewEndpointBody,
    NewEndpointView,
    RequeueBody,
    RequeueResult,
    TestResult,
)
from services.api.openapi import Problem, components
from services.api.policy.routes import MODELS as POLICY_MODELS
from services.api.presence.schemas import PresenceView
from services.api.risk.schemas import RiskHistory, ThresholdPreview
from services.api.segment.schemas import SegmentBody, SegmentList, SegmentView
from services.api.static import ConsoleFiles
from shared.clock import Clock
from shared.errors import Reject, Unavailable
from shared.problem import TITLES, ProblemError, problem

Lifespan = Callable[[], AbstractAsyncContextManager[None]]

VERSION = "1.0.0"
_MODELS: tuple[type[Any], ...] = (
    Problem,
    AlertPage,
    AlertView,
    AlertEventPage,
    BulkBody,
    BulkResult,
    CausesOverTime,
    RiskHistory,
    ThresholdPreview,
    Outcome,
    Retention,
    Service,
    *ACTION_BODIES.values(),
    CustomerPage,
    CustomerHits,
    CustomerDetail,
    TimelinePageView,
    SegmentBody,
    SegmentList,
    SegmentView,
    LoginBody,
    SessionView,
    NewKeyBody,
    NewKeyView,
    RotateKeyBody,
    KeyList,
    AuditPageView,
    DeadLetterPage,
    DeadLetterCounts,
    DeadLetterView,
    ReplayBody,
    DiscardManyBody,
    DiscardResult,
    ReplayManyBody,
    ReplayResult,
    DiscardBody,
    LabelBody,
    LabelView,
    ExplainBody,
    Explanation,
    ConflictPage,
    ConflictView,
    DecideBody,
    LinkBody,
    LinkHistory,
    UnlinkBody,
    CommandView,
    PresenceView,
    EndpointList,
    EndpointView,
    NewEndpointBody,
    NewEndpointView,
    EndpointChangeBody,
    DeliveryPage,
    TestResult,
    RequeueBody,
    RequeueResult,
    ProviderList,
    ConnectionList,
    ConnectionView,
    NewConnectionBody,
    ConnectionChangeBody,
    ConnectionTestResult,
    *POLICY_MODELS,
)
_SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, pl_…"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "pulseline_session",
        "description": "The console's login; writes also need X-CSRF-Token.",
    },
}


def build_app(
    routers: Sequence[APIRouter],
    routes: Sequence[BaseRoute],
    *,
    console_dir: Path,
    metrics: ApiMetrics,
    clock: Clock,
    lifespan: Lifespan,
) -> FastAPI:
    """Return the application; `lifespan` starts and stops what the routes need."""

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        async with lifespan():
            yield

    app = FastAPI(
        title="Pulseline API", version=VERSION, lifespan=run, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    for router in routers:
        app.include_router(router)
    app.router.routes.extend(routes)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]  # FastAPI's own seam
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(Reject, _on_reject)
    app.add_exception_handler(Unavailable, _on_unavailable)
    app.add_middleware(Edge, metrics=metrics, clock=clock)
    # Not a mount: that would take an API's address asked with a wrong method, too, and say 404.
    app.router.default = ConsoleFiles(console_dir, clock)
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document, with the answers' and bodies' own schemas."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        known = document.setdefault("components", {})
        known["schemas"] = components(_MODELS)
        known["securitySchemes"] = _SECURITY
        document["security"] = [{"key": []}, {"session": []}]
        app.openapi_schema = document
    return app.openapi_schema


async def _on_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return error.response()


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code if error.status_code in TITLES else 400
    headers = {"Allow": ", ".join(_allowed(request))} if status == 405 else error.headers
    return problem(status, str(error.detail), headers)


def _allowed(request: Request) -> list[str]:
    """Return every method of the address; the route that noticed the wrong one knows its own alone."""
    routes: list[BaseRoute] = request.app.router.routes
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _on_validation(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [{"where": "/".join(map(str, item["loc"])), "reason": item["msg"]} for item in error.errors()]
    return problem(422, errors[0]["reason"] if errors else "the request is not valid", errors=errors)


async def _on_reject(_: Request, error: Exception) -> Response:
    if not isinstance(error, Reject):
        raise error
    return problem(422, error.reason, pointer=error.pointer)


async def _on_unavailable(_: Request, error: Exception) -> Response:
    if not isinstance(error, Unavailable):
        raise error
    return problem(503, str(error), {"Retry-After": str(error.retry_after_s)})
