"""What a look into the database finds, for the metrics: customers, money, alerts, calibration, queues, the server."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

EndpointState = Literal["delivering", "failing", "disabled", "off"]
"""`disabled`: given up after days of failure; `off`: switched off by a person."""
ENDPOINT_STATES: tuple[EndpointState, ...] = ("delivering", "failing", "disabled", "off")
CONNECTION_STATES = ("active", "idle", "idle in transaction", "other")


CalibrationOf = Literal["customers", "alerts"]
CALIBRATIONS: tuple[CalibrationOf, ...] = ("customers", "alerts")


class Calibration(Struct, frozen=True):
    """Risks whose horizon has ended: how many, their sum, and how many of these customers bought no more in it."""

    n: int = 0
    predicted: float = 0.0
    left: int = 0


class Census(Struct, frozen=True, kw_only=True):
    """Counts by label. `expected_loss` is in whole units of its currency, of customers at risk alone.

    `*_at` are None where there is nothing.
    """

    customers: dict[str, int]
    expected_loss: dict[str, float]
    alerts: dict[tuple[str, str], int]
    oldest_untouched_at: datetime | None
    closed: dict[str, int]
    calibration: dict[CalibrationOf, Calibration]
    n_pending: int
    n_due: int
    oldest_due_at: datetime | None
    endpoints: dict[tuple[str, EndpointState], int]
    failing_since: datetime | None
    dead_letters: dict[str, int]
    database_bytes: int
    server_connections: dict[str, int]
    server_max_connections: int
    oldest_transaction_s: float
    cache_hit_ratio: float
