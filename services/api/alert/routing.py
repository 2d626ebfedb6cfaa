"""Which endpoints are told about an alert event. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from services.api.alert.match import Facts, Match, matches


class Receiver(Struct, frozen=True, kw_only=True):
    """An enabled endpoint and its own filters; None asks nothing."""

    id: str
    event_types: list[str] | None = None
    severities: list[str] | None = None
    includes_held_out: bool = False


class Route(Struct, frozen=True, kw_only=True):
    """An enabled routing rule."""

    endpoint_ids: list[str]
    event_types: list[str] | None = None
    match: Match = Match()


def recipients(
    receivers: Sequence[Receiver], routes: Sequence[Route], event_type: str, facts: Facts, *, is_held_out: bool
) -> list[str]:
    """Return the ids of the endpoints to tell.

    An endpoint that no rule names is told all that its own filters admit; one that rules name is told what, on top of
    that, at least one of them lets through.
    """
    named = {endpoint_id for route in routes for endpoint_id in route.endpoint_ids}
    routed = {
        endpoint_id
        for route in routes
        if (route.event_types is None or event_type in route.event_types) and matches(route.match, facts)
        for endpoint_id in route.endpoint_ids
    }
    return [
        receiver.id
        for receiver in receivers
        if (receiver.event_types is None or event_type in receiver.event_types)
        and (receiver.severities is None or facts.severity in receiver.severities)
        and (receiver.includes_held_out or not is_held_out)
        and (receiver.id not in named or receiver.id in routed)
    ]
