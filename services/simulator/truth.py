"""The truth file: newline-delimited JSON, a header with the world's parameters, then one line a customer."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from services.simulator.life.model import Cause, Life
from services.simulator.life.person import handles_of
from services.simulator.world import VERSION, World, WorldOptions
from shared.clock import from_ms


class TruthError(ValueError):
    """The file is no truth file of this version; the message says why."""


class Header(Struct, frozen=True, kw_only=True, tag_field="kind", tag="world"):
    """`version` is that of the world's process: another version gives other lives for the same seed."""

    version: int
    customers: int
    days: int
    seed: int
    start: datetime
    until: datetime
    prefix: str
    talkativeness: float
    is_show: bool = False
    providers: list[str] = []
    faults: dict[str, float] = {}
    speed: float = 0.0

    def options(self) -> WorldOptions:
        return WorldOptions(
            customers=self.customers,
            days=self.days,
            seed=self.seed,
            until=self.until,
            prefix=self.prefix,
            talkativeness=self.talkativeness,
            is_show=self.is_show,
        )


class CustomerTruth(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="customer"):
    """What is true of one customer. `decided_at` is unset for who stayed; after `until` it was not yet to be seen.

    `cause` is why; `is_told` whether he ever said so. `order_days` counts days with orders up to the end.
    """

    customer_id: str
    handles: list[str]
    language: str
    joined_at: datetime
    order_days: int
    usual_gap_days: float
    last_order_at: datetime | None = None
    decided_at: datetime | None = None
    cause: Cause | None = None
    is_told: bool = False


Line = Header | CustomerTruth


def customer_truth(life: Life, world: World) -> CustomerTruth:
    until_ms = world.span.until_ms
    orders = [at_ms for at_ms in life.order_times() if at_ms < until_ms]
    decision = life.decision
    return CustomerTruth(
        customer_id=life.person.id,
        handles=handles_of(life.person),
        language=life.person.language,
        joined_at=from_ms(life.person.joined_ms),
        order_days=len({at_ms // 86_400_000 for at_ms in orders}),
        usual_gap_days=round(1 / life.person.rate, 2),
        last_order_at=from_ms(orders[-1]) if orders else None,
        decided_at=from_ms(decision.at_ms) if decision else None,
        cause=decision.cause if decision else None,
        is_told=bool(decision and decision.is_told),
    )


def header(world: World, providers: Iterable[str], faults: dict[str, float], speed: float) -> Header:
    options = world.options
    return Header(
        version=VERSION,
        customers=options.customers,
        days=options.days,
        seed=options.seed,
        start=from_ms(world.span.start_ms),
        until=options.until,
        prefix=options.prefix,
        talkativeness=options.talkativeness,
        is_show=options.is_show,
        providers=sorted(providers),
        faults=faults,
        speed=speed,
    )


def write(path: Path, head: Header, customers: Iterable[CustomerTruth]) -> None:
    lines: list[Line] = [head, *customers]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def read(path: Path) -> tuple[Header, list[CustomerTruth]]:
    """Return the header and the customers. Raises TruthError."""
    decoder = msgspec.json.Decoder(Line)
    try:
        first, *rest = [decoder.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
    except (ValueError, msgspec.DecodeError) as error:
        raise TruthError(f"{path.name} is no truth file: {error}") from error
    if not isinstance(first, Header):
        raise TruthError(f"{path.name} does not begin with a header line")
    return first, [line for line in rest if isinstance(line, CustomerTruth)]
