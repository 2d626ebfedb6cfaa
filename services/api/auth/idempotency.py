"""A POST that may be sent twice: the first answer is kept in the transaction that made it, and given again."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.rights import Principal
from services.api.auth.store import StoredAnswer, answer_owner, find_answer, keep_answer
from services.api.vault import Vault
from shared.connection.seal import SealError
from shared.problem import ProblemError

IDEMPOTENCY_HEADER = "Idempotency-Key"
_LONGEST_KEY = 255
# For a route's signature, so that the document names the header; `once` reads it.
IdempotencyKey = Annotated[str | None, Header(max_length=_LONGEST_KEY)]


async def once(
    connection: Any,
    request: Request,
    principal: Principal,
    act: Callable[[], Awaitable[Response]],
    *,
    sealing: Vault | None = None,
) -> Response:
    """Return what `act` answers, or what it answered the first time this key was sent with the same request.

    An answer that tells a secret is kept sealed: `sealing` seals it.

    Runs inside the caller's transaction. A twin in flight is waited for. Raises `ProblemError` 422 when the key was
    used for another request, 409 when a sealed answer cannot be opened. Refusals are not kept: nothing happened, so the
    client may try again.
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
        body = _opened(known, answer_owner(principal.key_id, key), sealing)
        return Response(body, known.status, {**known.headers, "Idempotent-Replay": "true"})
    response = await act()
    headers = {name: value for name, value in response.headers.items() if name in ("etag", "content-type", "location")}
    body = bytes(response.body)
    if sealing is not None:
        body = sealing.seal(body, answer_owner(principal.key_id, key))
    answer = StoredAnswer(request_hash, response.status_code, body, headers, is_sealed=sealing is not None)
    await keep_answer(connection, principal.key_id, key, answer)
    return response


def _opened(answer: StoredAnswer, owner: str, sealing: Vault | None) -> bytes:
    if not answer.is_sealed or sealing is None:
        return answer.body
    try:
        return sealing.open(answer.body, owner)
    except SealError as error:
        raise ProblemError(409, f"the first answer cannot be read: {error}") from error
