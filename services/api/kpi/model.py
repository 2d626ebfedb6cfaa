"""What acting on alerts is worth, how many customers are kept and how they are served: counts, and what is told."""

from datetime import date, timedelta
from enum import IntEnum
from typing import Any, Literal, NamedTuple

import numpy as np
from msgspec import Struct

from shared.interval import Estimate

Array = np.ndarray[Any, Any]
Verdict = Literal["no_holdout", "not_enough", "helped", "harmed", "open"]


class Cell(NamedTuple):
    """Customers alike in month, tier and cause of their first alert, on one side, whose horizon is over or not."""

    month: date
    tier: str
    cause: str
    is_held_out: bool
    is_over: bool
    n: int
    n_bought: int
    n_worked: int


class Side(Struct, frozen=True, kw_only=True):
    """One side of the comparison, of the customers whose horizon is over.

    `n_worked`: whose alert somebody acknowledged, contacted the customer for or resolved. `share` who bought is left
    null while there are too few customers. `n_waiting`: customers whose horizon is not over; they are in no share.
    """

    n: int
    n_bought: int
    n_worked: int
    n_waiting: int
    share: Estimate | None


class Comparison(Struct, frozen=True, kw_only=True):
    """The customers meant to be acted on against those held out, whatever was then done: by intention to treat.

    `difference` is the first share less the other; null while either side is too small.
    """

    verdict: Verdict
    acted: Side
    held_out: Side
    difference: Estimate | None


class Slice(Struct, frozen=True, kw_only=True):
    """The comparison of one month (its first day), tier or cause alone."""

    name: str
    comparison: Comparison


By = Literal["month", "quarter", "year"]


class Bought(NamedTuple):
    """Customers who bought in period `number`, alike in the period of their first purchase and in the one before.

    Periods are numbered from the one before the first that is shown, which is 1; 0 is all the time before it.
    `was_before`: they bought in period `number` - 1 as well.
    """

    first: int
    number: int
    was_before: bool
    n: int


class Wait(NamedTuple):
    """New customers who bought again after so many days, or did not within so many days seen.

    `is_over`: they could be seen for the whole horizon.
    """

    days: int
    has_bought: bool
    is_over: bool
    n: int


class Purchases(NamedTuple):
    """Who bought when, and how long new customers waited to buy again. `since`: the day of the first purchase known."""

    bought: list[Bought]
    waits: list[Wait]
    since: date | None


class PeriodFigures(Struct, frozen=True, kw_only=True):
    """Who bought in a period: for the first time, after buying in the period before (kept), or after a pause (back).

    `kept` is the share of the `n_before` buyers of the period before who bought in this one; null while the period
    lasts and for fewer than 30 customers. Its rest is the share who stayed away, which is not yet who left.
    """

    period: date
    is_complete: bool
    n_active: int
    n_new: int
    n_back: int
    n_kept: int
    n_before: int
    kept: Estimate | None


class Age(Struct, frozen=True, kw_only=True):
    """Of `n` customers, those who bought in the period so many periods after that of their first purchase."""

    age: int
    is_complete: bool
    n: int
    n_active: int
    active: Estimate | None


class Cohort(Struct, frozen=True, kw_only=True):
    """Customers who first bought in one period. `ages` begin with the period after it."""

    period: date
    is_complete: bool
    n: int
    ages: list[Age]


class Repeat(Struct, frozen=True, kw_only=True):
    """New customers whose horizon is over, and who of them bought on a later day within it."""

    n: int
    n_bought: int
    n_waiting: int
    share: Estimate | None


class Within(Struct, frozen=True, kw_only=True):
    """The share of new customers who bought again within so many days; `n_known`: of whom it is known."""

    days: int
    n_known: int
    bought: Estimate


class Median(Struct, frozen=True, kw_only=True):
    """Days after which half have bought again; an end of the interval is null where it lies beyond what was seen."""

    days: int
    low: int | None
    high: int | None


class SecondPurchase(Struct, frozen=True, kw_only=True):
    """Time to the second purchase of `n` new customers by Kaplan and Meier, those who have not yet bought included."""

    n: int
    n_bought: int
    median: Median | None
    within: list[Within]


class Served(IntEnum):
    """What a packed fact is of."""

    CONTACT = 0
    TICKET = 1
    CSAT = 2
    NPS = 3
    CES = 4
    CONSULTATION = 5


# Five integers of eight bytes and three of two; services/api/kpi/cells.py names them.
FACT_BYTES = 46
REOPENED_WITHIN = timedelta(days=7)
# Who makes contact again so soon had not been helped; a convention of service desks.
AGAIN_WITHIN = timedelta(days=7)


class Packed(NamedTuple):
    """Contacts, surveys and purchases by customer, and what is nobody's in particular, as big-endian integers.

    `n_facts` and `n_bought` say how many of the `facts` and instants of `bought` are each customer's, in their order.
    Whose tickets, answers about effort (CES) and consultations are is no matter.
    """

    facts: bytes
    n_facts: bytes
    bought: bytes
    n_bought: bytes
    tickets: bytes
    efforts: bytes
    agents: dict[int, str]


Dimension = Literal["whole", "period", "channel", "agent", "aspect"]
ServicePeriod = Literal["day", "week", "month"]
What = Literal["contact", "settled", "ticket", "csat", "nps", "ces", "consultation", "buyers"]


class Times(NamedTuple):
    """How long things took in seconds, and how many each; where they have not ended, what they have taken so far."""

    seconds: Array
    has_ended: Array
    n: Array


class ServiceCell(NamedTuple):
    """Things alike in what they are and in one value of one dimension.

    A contact took until the first reply (calls are in no `times`), a ticket what it was open in all. Of a contact
    `n_first` counts those with a text that was judged, `n_second` those with a complaint; of what is settled (contacts
    answered a week ago) those no other followed; of a ticket those that could be reopened within a week and those that
    were; of surveys the best and the worst answers, of those about effort the sum of the answers' places on their
    scale, in millionths, and that of their squares; of consultations those that met their goal; of buyers those who
    made contact.
    """

    what: What
    dimension: Dimension
    name: str
    n: int
    n_first: int
    n_second: int
    times: Times | None = None


class Seconds(Struct, frozen=True, kw_only=True):
    """When half had ended; an end of the interval is null where it lies beyond what was seen."""

    seconds: int
    low: int | None
    high: int | None


class FirstReply(Struct, frozen=True, kw_only=True):
    """Time from the first message of a contact to a person's first reply, unanswered ones included as such (calls not).

    `within_hour`, `within_day`: the share replied to so soon.
    """

    n: int
    n_answered: int
    median: Seconds | None
    within_hour: Estimate | None
    within_day: Estimate | None


class Resolution(Struct, frozen=True, kw_only=True):
    """What tickets were open in all, until they were resolved for good; those still open are included as such."""

    n: int
    n_resolved: int
    median: Seconds | None


class Counted(Struct, frozen=True, kw_only=True):
    """How many of `n`, and their share; null for fewer than 30."""

    n: int
    n_hits: int
    share: Estimate | None


class PromoterScore(Struct, frozen=True, kw_only=True):
    """Promoters less detractors in points from -100 to 100; null for fewer than 30 answers."""

    n: int
    n_promoters: int
    n_detractors: int
    score: Estimate | None


class EffortScore(Struct, frozen=True, kw_only=True):
    """The mean answer on a scale from 1 to 7, where 7 is easiest; null for fewer than 30 answers."""

    n: int
    mean: Estimate | None


class ServiceFigures(Struct, frozen=True, kw_only=True):
    """How customers were served. `complaints`: contacts with a complaint, of those with a text that was judged.

    `first_contact_resolution`: contacts after which the customer began no other for a week, of those that a person
    answered and that began a week ago at least. `consultations`: those that met their goal, of those completed.
    `contacting`: customers who made contact, of those who bought in the same time; null by agent and by aspect.
    """

    n_contacts: int
    first_reply: FirstReply
    first_contact_resolution: Counted
    resolution: Resolution
    reopened: Counted
    complaints: Counted
    csat: Counted
    nps: PromoterScore
    ces: EffortScore
    consultations: Counted
    contacting: Counted | None


class ServiceSlice(Struct, frozen=True, kw_only=True):
    """The figures of one period (its first day), channel, agent or aspect alone."""

    name: str
    figures: ServiceFigures


class ServicePeriodFigures(Struct, frozen=True, kw_only=True):
    """The figures of what began in one period, which is complete where it lies wholly within what was asked for."""

    period: date
    is_complete: bool
    figures: ServiceFigures
