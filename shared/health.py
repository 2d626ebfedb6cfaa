"""/healthz, /readyz and /metrics, the same on all four services."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.process_metrics import ProcessMetrics

# A check returns None when its dependency answers, else a short plain reason.
Check = Callable[[], Awaitable[str | None]]

_CHECK_TIMEOUT_S = 2.0


def health_routes(checks: Mapping[str, Check], registry: CollectorRegistry) -> list[Route]:
    """Return the three routes; /readyz is 503 and names every dependency that does not answer."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        failures = await failing(checks)
        return JSONResponse(
            {"status": "unready" if failures else "ready", "missing": failures}, status_code=503 if failures else 200
        )

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def failing(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return the reason of each check that fails, by dependency name."""

    async def run(check: Check) -> str | None:
        try:
            return await asyncio.wait_for(check(), _CHECK_TIMEOUT_S)
        except TimeoutError:
            return f"no answer in {_CHECK_TIMEOUT_S:g} s"
        except (OSError, RuntimeError) as error:
            return str(error) or type(error).__name__

    reasons = await asyncio.gather(*(run(check) for check in checks.values()))
    return {name: reason for name, reason in zip(checks, reasons, strict=True) if reason is not None}


@contextmanager
def _no_capture() -> Iterator[None]:
    yield


async def serve_health(host: str, port: int, checks: Mapping[str, Check], registry: CollectorRegistry) -> None:
    """Serve the three routes until cancelled; for services with no other HTTP."""
    app = Starlette(routes=health_routes(checks, registry))
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, lifespan="off", proxy_headers=False
    )
    server = uvicorn.Server(config)
    # The service's own signal handling decides when to stop, not uvicorn's.
    server.capture_signals = _no_capture  # type: ignore[method-assign]
    try:
        await server.serve()
    except asyncio.CancelledError:
        server.should_exit = True
        raise


async def serve_health_beside(
    work: Awaitable[None], host: str, port: int, checks: Mapping[str, Check], registry: CollectorRegistry
) -> None:
    """Await `work` with the three routes served beside it, and no longer."""
    health = asyncio.create_task(serve_health(host, port, checks, registry))
    try:
        await work
    finally:
        health.cancel()
        await asyncio.gather(health, return_exceptions=True)


def process_registry(state_dir: Path) -> CollectorRegistry:
    """Return a registry with what is known of the process itself: memory, CPU, garbage collection, its disk."""
    registry = CollectorRegistry()
    ProcessMetrics(registry, state_dir)
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    return registry
