"""Channel connections over HTTP: which providers there are, make, rotate, remove, test; credentials are write-only."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.connection import store
from services.api.connection.decide import (
    Credentials,
    check_credentials,
    check_moved,
    check_new,
    check_settings,
    provider_of,
    rotated,
    without_previous,
)
from services.api.connection.schemas import (
    ConnectionChangeBody,
    ConnectionList,
    ConnectionTestResult,
    ConnectionView,
    NewConnectionBody,
    ProviderList,
)
from services.api.connection.send import ConnectionTester, Subject, failed
from services.api.openapi import answers, json_response, read_body, takes
from services.api.vault import NO_KEY, Vault
from shared.connection.document import ConnectionsError, load_connections
from shared.connection.provider import PROVIDERS
from shared.connection.seal import SealError
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

_new_decoder = msgspec.json.Decoder(NewConnectionBody)
_change_decoder = msgspec.json.Decoder(ConnectionChangeBody)


def connection_routes(
    pool: Any,
    guard: Guard,
    vault: Vault,
    tester: ConnectionTester | None,
    *,
    public_url: str,
    connections_file: Path | None,
) -> APIRouter:
    """Return the routes. `tester` is None where there is no secrets key; `connections_file` is ingest's, if shared."""
    router = APIRouter(prefix="/v1", tags=["connections"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("connections:read"))]
    writer = Annotated[Principal, Depends(guard.needs("connections:write"))]

    async def note(connection: Any, principal: Principal, action: str, target: str, detail: object = None) -> None:
        await audit(
            connection,
            principal,
            f"connection.{action}",
            "connection",
            [target],
            request_id=correlation_id.get(),
            detail=detail,
        )

    async def shown(connection: Any, connection_id: str) -> Response:
        return json_response(_view(await _known(connection, connection_id), public_url))

    @router.get(
        "/providers",
        summary="List the providers a connection can be made to, and what each needs",
        responses=answers(ProviderList, "All providers"),
    )
    async def list_providers(_: reader) -> Response:
        return json_response(ProviderList(items=list(PROVIDERS.values())))

    @router.get(
        "/connections",
        summary="List channel connections with what came in through each",
        responses=answers(ConnectionList, "All, newest first"),
    )
    async def list_connections(_: reader) -> Response:
        async with reading(pool) as connection:
            stored = await store.list_all(connection)
        views = [_view(one, public_url) for one in stored]
        return json_response(ConnectionList(items=views, ingest_url=public_url.rstrip("/")))

    @router.post(
        "/connections",
        summary="Make a channel connection",
        description="Credentials are sealed before they are stored and are never told again.",
        responses=answers(ConnectionView, "The connection, without its credentials", 409, 413, 415, status=201),
        openapi_extra=takes(
            NewConnectionBody,
            example={"id": "my-slack", "provider": "slack", "credentials": {"signing_secret": "8f742231b10e8888abcd"}},
        ),
    )
    async def add(request: Request, principal: writer) -> Response:
        body: NewConnectionBody = await read_body(request, _new_decoder)
        spec = provider_of(body.provider)
        check_new(spec, body.credentials, body.settings)
        sealed = _sealed(vault, Credentials(current=dict(body.credentials)), body.id)
        async with transaction(pool) as connection:
            is_new = await store.insert(
                connection,
                connection_id=body.id,
                provider=spec.provider,
                settings=body.settings,
                credential_names=sorted(body.credentials),
                sealed=sealed,
                created_by=principal.name,
            )
            if not is_new:
                raise ProblemError(409, f"there is a connection {body.id} already")
            detail = {"provider": spec.provider, "credentials": sorted(body.credentials)}
            await note(connection, principal, "create", body.id, detail)
            stored = await _known(connection, body.id)
        return json_response(_view(stored, public_url), 201)

    @router.patch(
        "/connections/{connection_id}",
        summary="Rotate credentials, end a rotation, or change settings",
        responses=answers(ConnectionView, "The connection afterwards", 404, 409, 413, 415),
        openapi_extra=takes(ConnectionChangeBody, example={"drop_previous": True}),
    )
    async def change(request: Request, connection_id: str, principal: writer) -> Response:
        body: ConnectionChangeBody = await read_body(request, _change_decoder)
        async with transaction(pool) as connection:
            stored = await _changeable(connection, connection_id)
            spec = provider_of(stored.provider)
            if body.settings is not msgspec.UNSET:
                check_settings(spec, body.settings)
                check_moved(stored.settings, body.settings, body.credentials or {})
                await store.set_settings(connection, connection_id, body.settings)
            if body.credentials is not msgspec.UNSET or body.drop_previous:
                credentials = _opened(vault, stored.sealed or b"", connection_id)
                if body.drop_previous:
                    credentials = without_previous(credentials)
                if body.credentials is not msgspec.UNSET:
                    check_credentials(spec, body.credentials)
                    credentials = rotated(credentials, body.credentials)
                await store.set_credentials(
                    connection,
                    connection_id,
                    names=sorted(credentials.current),
                    has_previous=bool(credentials.previous),
                    sealed=_sealed(vault, credentials, connection_id),
                )
            await note(connection, principal, "change", connection_id, _changes(body))
            return await shown(connection, connection_id)

    @router.delete(
        "/connections/{connection_id}",
        summary="Remove a channel connection; its deliveries are refused within seconds",
        status_code=204,
        responses=answers(None, "Removed", 404, 409, status=204),
    )
    async def remove(connection_id: str, principal: writer) -> Response:
        async with transaction(pool) as connection:
            await _changeable(connection, connection_id)
            await store.delete(connection, connection_id)
            await note(connection, principal, "delete", connection_id)
        return Response(status_code=204)

    @router.post(
        "/connections/{connection_id}/test",
        summary="Send a signed sample through ingest's public address, and keep nothing of it",
        responses=answers(ConnectionTestResult, "How it went", 404),
    )
    async def test(connection_id: str, principal: writer) -> Response:
        async with transaction(pool) as connection:
            stored = await _known(connection, connection_id)
            await note(connection, principal, "test", connection_id)
        if tester is None:
            return json_response(failed("no_secrets_key", f"A test is proven with the secrets key; {NO_KEY}."))
        try:
            credentials = _credentials(stored, vault, connections_file)
        except ProblemError as error:
            return json_response(failed("credentials_unreadable", error.detail))
        url = public_address(stored.provider, stored.settings, public_url, stored.id)
        subject = Subject(
            id=stored.id, provider=stored.provider, url=url, credentials=credentials, settings=stored.settings
        )
        return json_response(await tester.test(subject))

    return router


def public_address(provider: str, settings: dict[str, Any], public_url: str, connection_id: str) -> str:
    """Return what to paste at the provider's: the address deliveries go to, or the mailbox they are fetched from."""
    if provider == "smtp" and "imap_host" in settings:
        return f"imaps://{settings['imap_host']}/{settings.get('imap_folder', 'INBOX')}"
    if provider == "smtp":
        return f"smtp://{settings.get('listen_host', '127.0.0.1')}:{settings.get('listen_port', 25)}"
    return f"{public_url.rstrip('/')}/v1/channels/{connection_id}"


def _view(stored: store.StoredConnection, public_url: str) -> ConnectionView:
    return ConnectionView(
        id=stored.id,
        provider=stored.provider,
        origin=stored.origin,
        url=public_address(stored.provider, stored.settings, public_url, stored.id),
        settings=stored.settings,
        credential_names=stored.credential_names,
        has_previous_secret=stored.has_previous_secret,
        created_at=stored.created_at,
        figures=stored.figures,
    )


def _sealed(vault: Vault, credentials: Credentials, connection_id: str) -> bytes:
    """Return the credentials sealed. Raises `ProblemError` 409 when there is no key."""
    try:
        return vault.seal(msgspec.json.encode(credentials), connection_id)
    except SealError as error:
        raise ProblemError(409, str(error)) from error


def _opened(vault: Vault, sealed: bytes, connection_id: str) -> Credentials:
    """Return the credentials. Raises `ProblemError` 409 when no key opens them."""
    try:
        return msgspec.json.decode(vault.open(sealed, connection_id), type=Credentials)
    except SealError as error:
        raise ProblemError(409, f"the stored credentials cannot be read: {error}") from error


def _credentials(stored: store.StoredConnection, vault: Vault, connections_file: Path | None) -> Credentials:
    """Return a connection's credentials. Raises `ProblemError` when they are out of reach."""
    if stored.sealed is not None:
        return _opened(vault, stored.sealed, stored.id)
    if connections_file is None:
        raise ProblemError(
            409,
            "the connection stands in ingest's connections file, which the API cannot read: set "
            "PULSELINE_CONNECTIONS_FILE for the API too, or send a test from the provider's page",
        )
    try:
        found = load_connections(connections_file, frozenset({stored.provider, *PROVIDERS})).get(stored.id)
    except ConnectionsError as error:
        raise ProblemError(409, f"the connections file cannot be read: {error}") from error
    if found is None:
        raise ProblemError(409, "the API's connections file does not have this connection; ingest's does")
    return Credentials(current=dict(found.credentials))


def _changes(body: ConnectionChangeBody) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if body.credentials is not msgspec.UNSET:
        changed["credentials"] = sorted(body.credentials)
    if body.settings is not msgspec.UNSET:
        changed["settings"] = sorted(body.settings)
    return changed | ({"drop_previous": True} if body.drop_previous else {})


async def _known(connection: Any, connection_id: str) -> store.StoredConnection:
    stored = await store.get(connection, connection_id)
    if stored is None:
        raise ProblemError(404, f"no connection {connection_id[:128]}")
    return stored


async def _changeable(connection: Any, connection_id: str) -> store.StoredConnection:
    """Return a connection the API may change, locked. Raises `ProblemError` 404, or 409 for one of the file."""
    await store.lock(connection, connection_id)
    stored = await _known(connection, connection_id)
    if stored.origin == "file":
        raise ProblemError(409, "the connection stands in ingest's connections file: change it there")
    return stored
