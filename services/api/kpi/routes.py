"""Key figures over HTTP: whether acting on alerts helped, how many customers were kept, how they were served."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from msgspec.structs import replace
from starlette.responses import Response

from services.api.address import Instant, zone_of
from services.api.auth.guard import Guard
from services.api.auth.rights import Principal
from services.api.kpi import buyers, cells, contacts, service, store
from services.api.kpi import retention as kept
from services.api.kpi import served as summary
from services.api.kpi.decide import compare, n_more, slices
from services.api.kpi.model import By, Packed, Purchases, ServicePeriod
from services.api.kpi.schemas import Outcome, Retention, Service
from services.api.openapi import answers, json_response
from shared.clock import Clock
from shared.problem import ProblemError

LONGEST = timedelta(days=400)
_YEAR = timedelta(days=365)
# Of the pool's ten connections: lists and streams never wait for figures.
_AT_ONCE = 2
# Over millions of orders an answer takes seconds and does not change much in a quarter of an hour.
_WORTH_KEEPING_S = 1.0
_KEPT_S = 900.0
# No shop has purchases that Pulseline keeps by month before.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Answers(Generic[Asked, Answer]):
    """Answers that took more than a second, to be given again for a quarter of an hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[Asked, tuple[float, Answer]] = {}

    def get(self, asked: Asked) -> Answer | None:
        at, answer = self._known.get(asked, (0.0, None))
        return answer if answer is not None and self._clock.monotonic() - at < _KEPT_S else None

    def put(self, asked: Asked, answer: Answer, began: float) -> None:
        """Keep the answer if it took long since `began`, a reading of the monotonic clock."""
        now = self._clock.monotonic()
        if now - began > _WORTH_KEEPING_S:
            self._known = {one: kept for one, kept in self._known.items() if now - kept[0] < _KEPT_S}
            self._known[asked] = (now, answer)


def kpi_routes(pool: Any, guard: Guard, clock: Clock, time_zone: str) -> APIRouter:
    router = APIRouter(prefix="/v1/kpis", tags=["kpis"], default_response_class=Response)
    gate = asyncio.Semaphore(_AT_ONCE)

    @router.get(
        "/outcome",
        summary="Whether acting on alerts helped",
        description="Customers whose first alert of the time was to be acted on against those whose alert was held "
        "out, by whether they bought within the horizon. Never before against after.",
        responses=answers(Outcome, "The comparison, and how many customers it still needs"),
    )
    async def outcome(
        _: Annotated[Principal, Depends(guard.needs("holdout:read"))],
        since: Annotated[Instant | None, Query(alias="from", description="Left out: a year ago.")] = None,
        until: Annotated[Instant | None, Query(alias="to", description="Left out: now.")] = None,
        horizon_days: Annotated[int, Query(ge=7, le=365, description="Days after the alert to buy again in.")] = 90,
        worth_seeing: Annotated[
            float, Query(ge=0.01, le=0.5, description="The least difference of shares that would matter to you.")
        ] = 0.05,
        zone: Annotated[
            str, Query(alias="time_zone", max_length=64, description="IANA name; left out: the setting.")
        ] = time_zone,
    ) -> Response:
        zone_of(zone)
        now = clock.now()
        end = until or now
        start = since or end - _YEAR
        if not timedelta(0) < end - start <= LONGEST:
            raise ProblemError(422, f"from comes before to, by no more than {LONGEST.days} days", pointer="/from")
        async with store.counting(pool, gate) as connection:
            cells = await store.outcome_cells(connection, start, end, timedelta(days=horizon_days), now, zone)
            n_alerts = await store.n_alerts(connection, start, end)
        whole = compare(cells)
        return json_response(
            Outcome(
                since=start,
                until=end,
                time_zone=zone,
                horizon_days=horizon_days,
                worth_seeing=worth_seeing,
                whole=whole,
                n_more=n_more(whole, worth_seeing),
                n_later_alerts=max(0, n_alerts - sum(cell.n for cell in cells)),
                by_month=slices(cells, "month"),
                by_tier=slices(cells, "tier"),
                by_cause=slices(cells, "cause"),
            )
        )

    retentions: Answers[tuple[By, int, int, str], Retention] = Answers(clock)

    @router.get(
        "/retention",
        summary="How many customers were kept",
        description="By what they bought: who of a period's buyers bought in the next one, cohorts by first purchase, "
        "and the time to the second purchase. The present period is told as such and has no share. An answer that took "
        "more than a second is given again for a quarter of an hour; `as_of` says when it was counted.",
        responses=answers(Retention, "Periods, cohorts and the time to the second purchase"),
    )
    async def retention(
        _: Annotated[Principal, Depends(guard.needs("customers:read"))],
        by: By = "month",
        periods: Annotated[int, Query(ge=1, le=24, description="Complete periods to tell of.")] = 12,
        horizon_days: Annotated[int, Query(ge=7, le=365, description="Days for a second purchase.")] = 90,
        as_of: Annotated[Instant | None, Query(description="Later purchases are left out. Left out: now.")] = None,
        zone: Annotated[
            str, Query(alias="time_zone", max_length=64, description="IANA name; left out: the setting.")
        ] = time_zone,
    ) -> Response:
        days_of = zone_of(zone)
        _check_instant(as_of, clock.now(), "/as_of")
        asked = (by, periods, horizon_days, zone)
        began = clock.monotonic()
        if as_of is None and (known := retentions.get(asked)) is not None:
            return json_response(known)
        seen = as_of or clock.now()
        shown = kept.span(by, periods, seen, days_of)
        async with store.counting(pool, gate) as connection:
            if as_of is None and await buyers.catch_up(connection, zone, seen):
                found = await buyers.purchases(connection, shown.days, kept.MONTHS[by], shown.today, horizon_days)
            else:
                found = await store.buying_habits(
                    connection, shown.starts, seen, shown.today, zone, horizon_days, kept.SHOWN
                )
        # A large shop has tens of thousands of waits.
        answer = await asyncio.to_thread(_retention, found, shown, seen, by, horizon_days)
        if as_of is None:
            retentions.put(asked, answer, began)
        return json_response(answer)

    services: Answers[tuple[int, ServicePeriod, str], Service] = Answers(clock)

    @router.get(
        "/service",
        summary="How customers were served",
        description="Of contacts, tickets and surveys that began in the days before `to`: time to a person's first "
        "reply and to the resolution (medians, those still waiting included), first contact resolution, reopened "
        "tickets, CSAT, NPS, CES, consultations that met their goal, complaints, and who of the buyers made contact; "
        "together, by period, channel and aspect, and by agent for who may assign alerts. An answer that took more "
        "than a second is given again for a quarter of an hour; `as_of` says when it was counted.",
        responses=answers(Service, "Figures together, by period, channel, aspect and agent"),
    )
    async def served(
        principal: Annotated[Principal, Depends(guard.needs("customers:read"))],
        days: Annotated[int, Query(ge=1, le=LONGEST.days, description="Days to tell of, the last one included.")] = 28,
        by: ServicePeriod = "week",
        until: Annotated[Instant | None, Query(alias="to", description="Left out: now.")] = None,
        zone: Annotated[
            str, Query(alias="time_zone", max_length=64, description="IANA name; left out: the setting.")
        ] = time_zone,
    ) -> Response:
        days_of = zone_of(zone)
        now, began = clock.now(), clock.monotonic()
        _check_instant(until, now, "/to")
        asked = (days, by, zone)
        answer = services.get(asked) if until is None else None
        if answer is None:
            end = until or now
            first_day = end.astimezone(days_of).date() - timedelta(days=days - 1)
            since = datetime.combine(first_day, time(), days_of)
            async with store.counting(pool, gate) as connection:
                if end + contacts.LAST_SEEN >= now and await summary.catch_up(connection, now):
                    found = await summary.facts(connection, since)
                else:
                    found = await contacts.count_served(connection, since, end, min(now, end + contacts.LAST_SEEN))
            # A year of a large shop has a million contacts.
            answer = await asyncio.to_thread(_service, found, since, end, now, by, days_of)
            if until is None:
                services.put(asked, answer, began)
        return json_response(answer if principal.may("alerts:assign") else replace(answer, by_agent=None))

    return router


def _check_instant(asked: datetime | None, now: datetime, pointer: str) -> None:
    if asked is not None and not _EARLIEST <= asked <= now:
        raise ProblemError(422, "the time asked for is after 1990 and not to come", pointer=pointer)


def _service(
    found: Packed, since: datetime, until: datetime, as_of: datetime, by: ServicePeriod, zone: ZoneInfo
) -> Service:
    days = service.period_days(by, since, until, zone)
    counted = cells.service_cells(found, since, until, min(as_of, until + contacts.LAST_SEEN), days, zone)
    return Service(
        as_of=as_of,
        since=since,
        until=until,
        by=by,
        time_zone=zone.key,
        whole=service.whole(counted),
        by_period=service.period_figures(counted, by, since, until, zone),
        by_channel=service.slices(counted, "channel"),
        by_aspect=service.slices(counted, "aspect"),
        by_agent=service.slices(counted, "agent"),
    )


def _retention(found: Purchases, shown: kept.Span, as_of: datetime, by: By, horizon_days: int) -> Retention:
    cohorts = kept.cohorts(found.bought, shown.days)
    return Retention(
        as_of=as_of,
        by=by,
        time_zone=shown.zone.key,
        horizon_days=horizon_days,
        history_since=found.since,
        periods=kept.period_figures(found.bought, shown.days),
        cohorts=cohorts,
        by_age=kept.by_age(cohorts),
        repeat=kept.repeat(found.waits, horizon_days),
        second_purchase=kept.second_purchase(found.waits),
    )
