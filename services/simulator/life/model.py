"""Who the people are, what happens to them, and what is true of them. Times are milliseconds since 1970."""

from typing import Final, Literal

from msgspec import Struct

from services.simulator.text.grammar import Language

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000

Cause = Literal[
    "price",
    "quality",
    "function",
    "logistics",
    "after_sales",
    "attitude",
    "waiting",
    "billing",
    "competitor",
    "unknown",
]
Medium = Literal["phone", "sms", "email", "chat"]
Speaker = Literal["customer", "agent", "bot"]
TicketStep = Literal["opened", "replied", "resolved", "reopened"]

CAUSES: Final[tuple[Cause, ...]] = (
    "price",
    "quality",
    "function",
    "logistics",
    "after_sales",
    "attitude",
    "waiting",
    "billing",
    "competitor",
)


class Person(Struct, frozen=True, kw_only=True):
    """One made-up customer. `key`, digits, is unique among worlds: providers' ids of the person are made of it.

    `rate` is orders a day in operational time, `regularity` the Erlang shape of the gaps.

    `p_drift` is the chance to leave without a grievance after an order, `voice` how readily somebody speaks up.
    """

    index: int
    id: str
    key: str
    language: Language
    name: str
    email: str
    phone: str
    joined_ms: int
    rate: float
    regularity: int
    p_drift: float
    voice: float
    basket: float
    pays_by_invoice: bool
    media: tuple[Medium, ...]
    chat: str
    mail: str
    shop: Literal["own", "segment"]


class Ordered(Struct, frozen=True, kw_only=True):
    at_ms: int
    number: int
    amount: float
    products: tuple[tuple[str, float], ...]


class Returned(Struct, frozen=True, kw_only=True):
    at_ms: int
    number: int
    amount: float


class Said(Struct, frozen=True, kw_only=True):
    """A message, mail or call. `talk` numbers the conversation, `turn` the message within the person's life.

    `kind` is what it is in the grammar: complaint, hint, farewell, praise, …
    """

    at_ms: int
    medium: Medium
    speaker: Speaker
    text: str
    talk: int
    turn: int
    kind: str
    subject: str = ""
    seconds: int = 0


class Inquired(Struct, frozen=True, kw_only=True):
    at_ms: int
    turn: int
    text: str
    medium: Medium


class Rated(Struct, frozen=True, kw_only=True):
    """An answered survey: CSAT 1 to 5 about a conversation, or NPS 0 to 10 about the company."""

    at_ms: int
    turn: int
    kind: Literal["csat", "nps"]
    score: int
    talk: int = 0


class Invoice(Struct, frozen=True, kw_only=True):
    """A step of an invoice's life."""

    at_ms: int
    step: Literal["due", "late", "paid"]
    number: int
    amount: float
    due_ms: int


class Ticket(Struct, frozen=True, kw_only=True):
    at_ms: int
    step: TicketStep
    number: int
    turn: int
    text: str = ""
    speaker: Speaker = "customer"


Act = Ordered | Returned | Said | Inquired | Rated | Invoice | Ticket


class Incident(Struct, frozen=True, kw_only=True):
    """Something that went wrong after an order. `p_leave` is what the person's own chance to leave over it was."""

    at_ms: int
    cause: Cause
    severity: float
    is_told: bool
    is_resolved: bool
    decides_ms: int
    p_leave: float


class Decision(Struct, frozen=True, kw_only=True):
    """The moment somebody decided to buy nothing any more, and why. `is_told`: he had spoken of the cause."""

    at_ms: int
    cause: Cause
    is_told: bool


class Pause(Struct, frozen=True):
    from_ms: int
    until_ms: int


class Life(Struct, frozen=True, kw_only=True):
    """All that happens to one person, in order of time, and the truth about it."""

    person: Person
    acts: tuple[Act, ...]
    incidents: tuple[Incident, ...]
    pause: Pause | None
    decision: Decision | None

    def order_times(self) -> list[int]:
        return [act.at_ms for act in self.acts if isinstance(act, Ordered)]
