"""A POST that may be sent twice: the first answer is kept in the transaction that made it, and given again."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.rights import Principal
from services.api.auth.store import StoredAnswer, find_answer, keep_answer
from shared.problem import ProblemError

IDEMPOTENCY_HEADER = "Idempotency-Key"
_LONGEST_KEY = 255
# For a route's signature, so that the document names the header; `once` reads it.
IdempotencyKey = Annotated[str | None, Header(max_length=_LONGEST_KEY)]


async def once(
    connection: Any, request: Request, principal: Principal, act: Callable[[], Awaitable[Response]]
) -> Response:
    """Return what `act` answers, or what it answered the first time this key was sent with the same request.

    Runs inside the caller's transaction. A twin in flight is waited for. Raises `ProblemError` 422 when the key was
    used for another request. Refusals are not kept: nothing happened, so the client may try again.
    """
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None:
        return await act()
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise ProblemError(400, f"{IDEMPOTENCY_HEADER} is 1 to {_LONGEST_KEY} printable characters")
    request_hash = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body()).digest()
    known = await find_answer(connection, principal.key_id, key)
    if known is not None:
        if known.request_hash != request_hash:
            raise ProblemError(422, f"this {IDEMPOTENCY_HEADER} was used for another request")
        return Response(known.body, known.status, {**known.headers, "Idempotent-Replay": "true"})
    response = await act()
    headers = {name: value for name, value in response.headers.items() if name in ("etag", "content-type", "location")}
    await keep_answer(
        connection,
        principal.key_id,
        key,
        StoredAnswer(request_hash, response.status_code, bytes(response.body), headers),
    )
    return response
