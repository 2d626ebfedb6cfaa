"""How routes describe themselves: answers and bodies are msgspec types, listed under components by name."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from shared.contracts.codec import decode_json
from shared.errors import Reject
from shared.problem import MEDIA_TYPE, TITLES, ProblemError

# As long as ingest waits for one.
_READ_TIMEOUT_S = 30.0
_REF = "#/components/schemas/{name}"
Responses = dict[int | str, dict[str, Any]]


class Problem(Struct, frozen=True, kw_only=True):
    """RFC 9457. `type` is stable; `pointer` and `errors` say which member is wrong; `present` is the present state."""

    type: str
    title: str
    status: int
    detail: str


def answers(
    model: type[Any] | None,
    description: str,
    *problems: int,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str | Sequence[str] = "application/json",
) -> Responses:
    """Return a route's `responses`: the good one, and every problem it may answer (401, 429 and 503 always)."""
    good: dict[str, Any] = {"description": description}
    media_types = [media_type] if isinstance(media_type, str) else media_type
    schema = _reference(model) if model is not None else {"type": "string"}
    if model is not None or media_type != "application/json":
        good["content"] = {kind: {"schema": schema} for kind in media_types}
    if headers:
        good["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}
    responses: Responses = {status: good}
    for code in sorted({*problems, 400, 401, 403, 422, 429, 503}):
        responses[code] = {
            "description": TITLES[code][1],
            "content": {MEDIA_TYPE: {"schema": _reference(Problem)}},
        }
    return responses


def takes(model: type[Any], *, example: Any, is_required: bool = True) -> dict[str, Any]:
    """Return the `openapi_extra` of a route whose body `read_body` decodes into `model`, with one that it takes."""
    content = {"schema": _reference(model), "example": example}
    return {"requestBody": {"required": is_required, "content": {"application/json": content}}}


async def read_body(request: Request, decoder: msgspec.json.Decoder[Any], *, empty: bytes | None = None) -> Any:
    """Return the decoded body; `empty` stands in for no body at all. Raises `ProblemError` 400, 415 or 422."""
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            raw = await request.body()
    except TimeoutError as error:
        raise ProblemError(400, f"the body did not arrive within {_READ_TIMEOUT_S:g} s") from error
    if not raw and empty is not None:
        raw = empty
    elif request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ProblemError(415, "send application/json")
    try:
        return decode_json(decoder, raw)
    except Reject as reject:
        raise ProblemError(422, reject.reason, pointer=reject.pointer) from reject


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(value), status_code=status, media_type="application/json", headers=dict(headers or {})
    )


def components(models: Iterable[type[Any]]) -> dict[str, Any]:
    """Return the JSON Schemas of the models and of all they hold."""
    _, schemas = msgspec.json.schema_components(list(models), ref_template=_REF)
    return schemas


def _reference(model: type[Any]) -> dict[str, str]:
    return {"$ref": _REF.format(name=model.__name__)}
