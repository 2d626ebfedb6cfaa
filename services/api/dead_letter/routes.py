"""Dead letters over HTTP: browse, count, inspect, mend and replay, discard."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.api.auth.guard import Guard
from services.api.auth.idempotency import IdempotencyKey, once
from services.api.auth.rights import Principal
from services.api.auth.store import audit
from services.api.dead_letter import store
from services.api.dead_letter.replay import Replayer
from services.api.dead_letter.schemas import (
    DeadLetterCounts,
    DeadLetterPage,
    DeadLetterView,
    DiscardBody,
    DiscardManyBody,
    DiscardResult,
    LetterOutcome,
    LetterStatus,
    ReplayBody,
    ReplayManyBody,
    ReplayResult,
)
from services.api.openapi import answers, json_response, read_body, takes
from services.api.paging import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, encode_cursor
from shared.clock import Clock
from shared.logs import correlation_id
from shared.postgres.pool import reading, transaction
from shared.problem import ProblemError

_CURSOR = "dead-letters"
_replay_decoder = msgspec.json.Decoder(ReplayBody)
_many_decoder = msgspec.json.Decoder(ReplayManyBody)
_discard_decoder = msgspec.json.Decoder(DiscardBody)
_discard_many_decoder = msgspec.json.Decoder(DiscardManyBody)

Text = Annotated[str | None, Query(min_length=1, max_length=256)]


def dead_letter_routes(pool: Any, guard: Guard, replayer: Replayer, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"], default_response_class=Response)
    reader = Annotated[Principal, Depends(guard.needs("dead_letters:read"))]
    writer = Annotated[Principal, Depends(guard.needs("dead_letters:write"))]

    @router.get("", summary="List dead letters, newest first", responses=answers(DeadLetterPage, "A page"))
    async def list_letters(
        _: reader,
        status: LetterStatus | None = None,
        stage: Text = None,
        reason: Text = None,
        topic: Text = None,
        cursor: Annotated[str | None, Query(max_length=1024)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    ) -> Response:
        before: Any = decode_cursor(cursor, _CURSOR, datetime, str)
        async with reading(pool) as connection:
            letters = await store.page(
                connection,
                status=status,
                stage=stage,
                reason=reason,
                topic=topic,
                before=before,
                limit=limit + 1,
            )
        page = letters[:limit]
        more = len(letters) > limit
        next_cursor = encode_cursor(_CURSOR, page[-1].first_seen_at, page[-1].id) if more else None
        return json_response(DeadLetterPage(items=page, next_cursor=next_cursor))

    @router.get(
        "/counts",
        summary="Open dead letters by stage and reason",
        responses=answers(DeadLetterCounts, "Counts, most frequent first"),
    )
    async def count(_: reader) -> Response:
        async with reading(pool) as connection:
            items = await store.counts(connection)
        return json_response(DeadLetterCounts(items=items, n_open=sum(item.n for item in items)))

    @router.post(
        "/replay",
        summary="Send many dead letters back, unchanged",
        responses=answers(ReplayResult, "What became of each", 413, 415),
        openapi_extra=takes(ReplayManyBody, example={"ids": ["dl_1", "dl_2"]}),
    )
    async def replay_many(request: Request, principal: writer, idempotency_key: IdempotencyKey = None) -> Response:  # noqa: ARG001 - read in `once`
        body: ReplayManyBody = await read_body(request, _many_decoder)
        async with transaction(pool) as connection:

            async def act() -> Response:
                to_replay, items = await _open_ones(connection, body.ids)
                await _replay(connection, principal, to_replay, None, "")
                return json_response(ReplayResult(items=items, n_replayed=len(to_replay)))

            return await once(connection, request, principal, act)

    @router.post(
        "/discard",
        summary="Give many dead letters up, with a reason",
        responses=answers(DiscardResult, "What became of each", 413, 415),
        openapi_extra=takes(DiscardManyBody, example={"ids": ["dl_1", "dl_2"], "reason": "tests of the integrator's"}),
    )
    async def discard_many(request: Request, principal: writer, idempotency_key: IdempotencyKey = None) -> Response:  # noqa: ARG001 - read in `once`
        body: DiscardManyBody = await read_body(request, _discard_many_decoder)
        async with transaction(pool) as connection:

            async def act() -> Response:
                to_discard, items = await _open_ones(connection, body.ids)
                await _discard(connection, principal, [letter.id for letter in to_discard], body.reason)
                return json_response(DiscardResult(items=items, n_discarded=len(to_discard)))

            return await once(connection, request, principal, act)

    @router.get(
        "/{letter_id}", summary="Inspect a dead letter", responses=answers(DeadLetterView, "The whole letter", 404)
    )
    async def one(_: reader, letter_id: str) -> Response:
        async with reading(pool) as connection:
            letter = await store.get(connection, letter_id)
        if letter is None:
            raise _unknown(letter_id)
        return json_response(letter)

    @router.post(
        "/{letter_id}/replay",
        summary="Send a dead letter back to its topic, unchanged or mended",
        description="Nothing but this record is published again. A record that fails again becomes a new letter.",
        responses=answers(DeadLetterView, "The letter, replayed", 404, 409, 413, 415),
        openapi_extra=takes(ReplayBody, is_required=False, example={"note": "the topic is back"}),
    )
    async def replay(
        request: Request,
        letter_id: str,
        principal: writer,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - read in `once`
    ) -> Response:
        body: ReplayBody = await read_body(request, _replay_decoder, empty=b"{}")
        mended = None if body.value is msgspec.UNSET else str(body.value).encode()
        async with transaction(pool) as connection:

            async def act() -> Response:
                letter = await _open_letter(connection, letter_id)
                await _replay(connection, principal, [letter], mended, body.note)
                return json_response(await store.get(connection, letter_id))

            return await once(connection, request, principal, act)

    @router.post(
        "/{letter_id}/discard",
        summary="Give a dead letter up, with a reason",
        responses=answers(DeadLetterView, "The letter, discarded", 404, 409, 413, 415),
        openapi_extra=takes(DiscardBody, example={"reason": "a test of the integrator's"}),
    )
    async def discard(
        request: Request,
        letter_id: str,
        principal: writer,
        idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - read in `once`
    ) -> Response:
        body: DiscardBody = await read_body(request, _discard_decoder)
        async with transaction(pool) as connection:

            async def act() -> Response:
                await _open_letter(connection, letter_id)
                await _discard(connection, principal, [letter_id], body.reason)
                return json_response(await store.get(connection, letter_id))

            return await once(connection, request, principal, act)

    async def _replay(
        connection: Any, principal: Principal, letters: list[DeadLetterView], mended: bytes | None, note: str
    ) -> None:
        ids = [letter.id for letter in letters]
        await store.close(connection, ids, "replayed", principal.name, clock.now(), note or None)
        await _audit(connection, principal, "replay", ids, {"is_mended": mended is not None, "note": note})
        # Last before the commit: should that fail, the letters are open still and a second replay does no harm, because
        # events are recognised by their ids.
        await replayer.replay(letters, mended)

    async def _discard(connection: Any, principal: Principal, ids: list[str], reason: str) -> None:
        await store.close(connection, ids, "discarded", principal.name, clock.now(), reason)
        await _audit(connection, principal, "discard", ids, {"reason": reason})

    return router


async def _open_ones(connection: Any, ids: list[str]) -> tuple[list[DeadLetterView], list[LetterOutcome]]:
    """Return the letters that can be handled, locked, and of each id what becomes of it, in the order given."""
    wanted = list(dict.fromkeys(ids))
    letters = await store.load(connection, wanted, for_update=True)
    open_ones = {letter.id: letter for letter in letters.values() if letter.status == "open"}
    outcomes = [
        LetterOutcome(
            id=letter_id,
            status=200 if letter_id in open_ones else 409 if letter_id in letters else 404,
            detail=None if letter_id in open_ones else "not open" if letter_id in letters else "no such letter",
        )
        for letter_id in wanted
    ]
    return [open_ones[letter_id] for letter_id in wanted if letter_id in open_ones], outcomes


async def _open_letter(connection: Any, letter_id: str) -> DeadLetterView:
    letter = (await store.load(connection, [letter_id], for_update=True)).get(letter_id)
    if letter is None:
        raise _unknown(letter_id)
    if letter.status != "open":
        raise ProblemError(409, f"the letter is {letter.status} already", present=msgspec.to_builtins(letter))
    return letter


async def _audit(connection: Any, principal: Principal, action: str, ids: list[str], detail: object) -> None:
    await audit(
        connection,
        principal,
        f"dead_letter.{action}",
        "dead_letter",
        ids,
        request_id=correlation_id.get(),
        detail=detail,
    )


def _unknown(letter_id: str) -> ProblemError:
    return ProblemError(404, f"no dead letter {letter_id[:128]}")
