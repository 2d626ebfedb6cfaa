"""Logging in to the console, API keys and the audit log over HTTP."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.api.auth import store
from services.api.auth.guard import SESSION_COOKIE, Guard
from services.api.auth.rights import Principal, beyond
from services.api.auth.schemas import (
    AuditPage,
    AuditPageView,
    KeyList,
    LoginBody,
    NewKeyBody,
    NewKeyView,
    RotateKeyBody,
    SessionView,
)
from services.api.openapi import answers, json_response, read_body, takes
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, encode_cursor
from shared.clock import Clock
from shared.logs import correlation_id
from shared.postgres.api_keys import Role, insert_key, new_key
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

_AUDIT_CURSOR = "audit"
_login_decoder = msgspec.json.Decoder(LoginBody)
_new_key_decoder = msgspec.json.Decoder(NewKeyBody)
_rotate_decoder = msgspec.json.Decoder(RotateKeyBody)


def auth_routes(pool: Any, guard: Guard, clock: Clock, *, session_hours: float, is_cookie_secure: bool) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["access"], default_response_class=Response)
    anyone = Annotated[Principal, Depends(guard.needs(None))]
    keeper = Annotated[Principal, Depends(guard.needs("keys:write"))]

    @router.post(
        "/session",
        summary="Log in to the console with an API key",
        description="Sets an HttpOnly, SameSite=Strict cookie. Ten wrong keys from an address lock it out for a while.",
        responses=answers(SessionView, "Logged in", 413, 415, status=201),
        openapi_extra=takes(LoginBody, example={"api_key": "pl_…"}) | {"security": []},
    )
    async def log_in(request: Request) -> Response:
        body: LoginBody = await read_body(request, _login_decoder)
        principal = await guard.check_key(request, body.api_key)
        expires_at = clock.now() + timedelta(hours=session_hours)
        async with transaction(pool) as connection:
            secret, csrf_token = await store.open_session(connection, principal.key_id, expires_at)
            await store.audit(
                connection, principal, "session.open", "key", [principal.key_id], request_id=correlation_id.get()
            )
        response = json_response(_session_view(principal, csrf_token), 201)
        response.set_cookie(
            SESSION_COOKIE,
            secret,
            max_age=int(session_hours * 3600),
            httponly=True,
            samesite="strict",
            secure=is_cookie_secure,
            path="/",
        )
        return response

    @router.get("/session", summary="Who am I", responses=answers(SessionView, "The caller and what it may do"))
    async def who(principal: anyone) -> Response:
        return json_response(_session_view(principal, principal.csrf_token))

    @router.delete("/session", summary="Log out", status_code=204, responses=answers(None, "Logged out", status=204))
    async def log_out(request: Request, _: anyone) -> Response:
        if secret := request.cookies.get(SESSION_COOKIE):
            async with transaction(pool) as connection:
                await store.close_session(connection, secret)
            guard.forget()
        response = Response(status_code=204)
        response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict", secure=is_cookie_secure)
        return response

    @router.get("/keys", summary="List API keys", responses=answers(KeyList, "All keys, newest first"))
    async def list_keys(_: keeper) -> Response:
        async with reading(pool) as connection:
            return json_response(KeyList(items=await store.list_keys(connection)))

    @router.post(
        "/keys",
        summary="Make an API key",
        description="It has no scope that yours lacks.",
        responses=answers(NewKeyView, "The key, shown this once", 413, 415, status=201),
        openapi_extra=takes(NewKeyBody, example={"name": "ticket system", "role": "integrator"}),
    )
    async def make_key(request: Request, principal: keeper) -> Response:
        body: NewKeyBody = await read_body(request, _new_key_decoder)
        if body.expires_at is not None and body.expires_at <= clock.now():
            raise ProblemError(422, "must be in the future", pointer="/expires_at")
        _check_gives_no_more(principal, body.role, body.scopes)
        key = new_key()
        async with transaction(pool) as connection:
            key_id = await insert_key(
                connection,
                key,
                name=body.name,
                role=body.role,
                scopes=None if body.scopes is None else list(body.scopes),
                created_by=principal.name,
                expires_at=body.expires_at,
            )
            await store.audit(
                connection,
                principal,
                "key.create",
                "key",
                [key_id],
                request_id=correlation_id.get(),
                detail={"name": body.name, "role": body.role},
            )
            view = await store.get_key(connection, key_id)
        if view is None:
            raise RuntimeError("a key that was just stored is gone")
        return json_response(NewKeyView(**msgspec.structs.asdict(view), key=key), 201)

    @router.post(
        "/keys/{key_id}/rotate",
        summary="Replace an API key by a new one with the same rights",
        description="The old one ends at once, or after `overlap_hours`: a sender that still has it loses nothing. "
        "409 for a key that was rotated before, is revoked or has expired. A key with scopes that yours lacks is not "
        "replaced: the new one would be in your hands.",
        responses=answers(NewKeyView, "The new key, shown this once", 404, 409, 413, 415, status=201),
        openapi_extra=takes(RotateKeyBody, is_required=False, example={"overlap_hours": 24}),
    )
    async def rotate_key(request: Request, key_id: str, principal: keeper) -> Response:
        body: RotateKeyBody = await read_body(request, _rotate_decoder, empty=b"{}")
        key = new_key()
        now = clock.now()
        async with transaction(pool) as connection:
            old = await store.hold_key(connection, key_id)
            if old is None:
                raise _unknown(key_id)
            if reason := _not_to_rotate(old, now):
                raise ProblemError(409, reason)
            _check_gives_no_more(principal, old.role, old.scopes)
            new_id = await insert_key(
                connection,
                key,
                name=old.name,
                role=old.role,
                scopes=old.scopes,
                created_by=principal.name,
                expires_at=old.expires_at,
            )
            await store.replace_key(connection, key_id, now, now + timedelta(hours=body.overlap_hours))
            if not body.overlap_hours:
                await store.revoke_key(connection, key_id, now)
            await store.audit(
                connection,
                principal,
                "key.rotate",
                "key",
                [key_id, new_id],
                request_id=correlation_id.get(),
                detail={"overlap_hours": body.overlap_hours},
            )
            view = await store.get_key(connection, new_id)
        guard.forget()
        if view is None:
            raise RuntimeError("a key that was just stored is gone")
        return json_response(NewKeyView(**msgspec.structs.asdict(view), key=key), 201)

    @router.delete(
        "/keys/{key_id}",
        summary="Revoke an API key and its console sessions",
        status_code=204,
        responses=answers(None, "Revoked", 404, status=204),
    )
    async def revoke_key(key_id: str, principal: keeper) -> Response:
        async with transaction(pool) as connection:
            if await store.get_key(connection, key_id) is None:
                raise _unknown(key_id)
            await store.revoke_key(connection, key_id, clock.now())
            await store.audit(connection, principal, "key.revoke", "key", [key_id], request_id=correlation_id.get())
        guard.forget()
        return Response(status_code=204)

    @router.get("/audit", summary="Who changed what", responses=answers(AuditPageView, "A page, newest first"))
    async def audit_log(
        _: Annotated[Principal, Depends(guard.needs("audit:read"))],
        target_type: Annotated[str | None, Query(max_length=64)] = None,
        target_id: Annotated[str | None, Query(max_length=128)] = None,
        cursor: Annotated[str | None, Query(max_length=1024)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    ) -> Response:
        before = decode_cursor(cursor, _AUDIT_CURSOR, Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)])
        async with reading(pool) as connection:
            rows = await store.audit_page(
                connection,
                target_type=target_type,
                target_id=target_id,
                before=None if before is None else before[0],
                limit=limit + 1,
            )
        page = rows[:limit]
        next_cursor = encode_cursor(_AUDIT_CURSOR, page[-1].id) if len(rows) > limit else None
        return json_response(AuditPage(items=page, next_cursor=next_cursor))

    return router


def _session_view(principal: Principal, csrf_token: str | None) -> SessionView:
    return SessionView(name=principal.name, role=principal.role, scopes=sorted(principal.scopes), csrf_token=csrf_token)


def _not_to_rotate(key: store.KeyView, now: datetime) -> str | None:
    if key.rotated_at is not None:
        return "the key was rotated already: rotate the one that took its place"
    if key.revoked_at is not None:
        return "the key is revoked already"
    if key.expires_at is not None and key.expires_at <= now:
        return "the key has expired, and so would the new one: make a key instead"
    return None


def _check_gives_no_more(principal: Principal, role: Role, scopes: Sequence[str] | None) -> None:
    if lacking := beyond(principal, role, scopes):
        raise ProblemError(403, f"your key may not give what it does not have: {', '.join(lacking)}")


def _unknown(key_id: str) -> ProblemError:
    return ProblemError(404, f"no key {key_id[:128]}")
