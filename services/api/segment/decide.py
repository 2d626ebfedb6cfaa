"""Who may see and change a segment, and whom filters can let through. Pure."""

from collections.abc import Collection

from services.api.segment.model import CustomerFilter, RiskState


def may_see(caller: str, owner: str, *, is_shared: bool) -> bool:
    return is_shared or caller == owner


def may_change(caller: str, owner: str, *, may_share: bool) -> bool:
    """Return whether somebody who sees a segment may change or remove it: its owner, or who may share."""
    return caller == owner or may_share


def may_keep(*, is_shared: bool, may_share: bool) -> bool:
    """Return whether a segment may be kept like this: what all colleagues see takes the right to share."""
    return not is_shared or may_share


def lets_through(filters: Collection[CustomerFilter], states: Collection[RiskState]) -> bool:
    """Return whether somebody in one of these states can be in all the filters."""
    return any(all(one.risk_states is None or state in one.risk_states for one in filters) for state in states)
