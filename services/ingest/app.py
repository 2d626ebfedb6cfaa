"""The ingest service's HTTP application: routes, their OpenAPI document, nothing else."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from shared.contracts.documents import ingest_openapi
from shared.problem import problem

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def build_app(routes: Sequence[BaseRoute], lifespan: Lifespan) -> FastAPI:
    """Return the application; `lifespan` starts and stops what the routes need."""

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        async with lifespan():
            yield

    app = FastAPI(title="Pulseline ingest", lifespan=run, docs_url=None, redoc_url=None)
    # Before FastAPI's own pages: a router asks its routes in turn.
    app.router.routes[:0] = routes
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(Exception, _fault)
    app.openapi = ingest_openapi  # type: ignore[method-assign]  # the hot routes are plain Starlette, described by hand
    return app


async def _http_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code if error.status_code in (404, 405) else 400
    return problem(status, str(error.detail), error.headers)


async def _fault(_request: Request, _error: Exception) -> Response:
    """Answer for what the server then raises on, so that its log has it."""
    return problem(500, "the fault is logged; nothing of this request was acknowledged, so send it again")
