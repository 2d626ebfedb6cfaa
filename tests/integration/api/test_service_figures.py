"""How customers were served, counted by PostgreSQL: the worked example of docs/kpis.md, and each rule by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.contracts.enriched import AspectHit, EnrichedEvent
from shared.contracts.event import (
    Actor,
    Call,
    ConsultationCompleted,
    Customer,
    Interaction,
    SurveyAnswered,
    TicketOpened,
    TicketReopened,
    TicketResolved,
)
from tests.factories.records import enriched, order
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration
ENRICHED = "interactions.enriched"
# A Friday.
UNTIL = "2026-03-20T12:00:00Z"
MONDAY = datetime(2026, 3, 16, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Talk:
    """What was said in one conversation, the words of no matter."""

    def __init__(self, customer_id: str, channel: Any = "chat", conversation: str | None = None) -> None:
        self.customer_id = customer_id
        self.channel = channel
        self.conversation = conversation or f"talk-{customer_id}"
        self.events: list[EnrichedEvent] = []

    def asks(self, at: datetime, *, complains_of: Any = None, **fields: Any) -> "Talk":
        told = self._say(at, "inbound", Actor("customer"), fields)
        if complains_of and told.sentiment:
            hits = [AspectHit(complains_of, ["x"])]
            told = replace(told, sentiment=replace(told.sentiment, is_complaint=True, aspects=hits))
        self.events.append(told)
        return self

    def is_told(self, at: datetime, by: Actor, **fields: Any) -> "Talk":
        self.events.append(self._say(at, "outbound", by, fields))
        return self

    def _say(self, at: datetime, direction: Any, actor: Actor, fields: dict[str, Any]) -> EnrichedEvent:
        said: dict[str, Any] = {"text": "hello", "channel": self.channel, "conversation_id": self.conversation} | fields
        event = Interaction(
            id=f"{self.customer_id}-{self.channel}-{at.isoformat()}-{direction}", source="test", occurred_at=at,
            customer=Customer(self.customer_id), direction=direction, actor=actor, **said,
        )  # fmt: skip
        return enriched(event)


ANN, BOT = Actor("agent", "ann"), Actor("bot", "helper")


def rated(customer_id: str, kind: Any, score: float, top: float, at: datetime = MONDAY, **fields: Any) -> EnrichedEvent:
    event = SurveyAnswered(
        id=f"s-{customer_id}-{kind}-{at.isoformat()}", source="test", occurred_at=at, customer=Customer(customer_id),
        kind=kind, score=score, scale_min=0 if kind == "nps" else 1, scale_max=top, **fields,
    )  # fmt: skip
    return enriched(event)


def step(kind: Any, ticket: str, at: datetime, **fields: Any) -> EnrichedEvent:
    said: dict[str, Any] = {"channel": "email"} | fields
    event = kind(
        id=f"{ticket}-{kind.__name__}-{at.isoformat()}", source="desk", occurred_at=at, customer=Customer(ticket),
        ticket_id=ticket, **said,
    )  # fmt: skip
    return enriched(event)


def told(api: Api, *events: EnrichedEvent, **asked: Any) -> Any:
    api.publish(ENRICHED, *events)
    api.wait_projected()
    return api.get("/v1/kpis/service", **({"days": 7, "to": UNTIL} | asked))


def test_the_worked_example_is_counted(api: Api) -> None:
    answered = Talk("ann").asks(MONDAY).is_told(MONDAY + MINUTE, BOT).is_told(MONDAY + 20 * MINUTE, ANN)
    again = Talk("ben").asks(MONDAY).asks(MONDAY + HOUR).is_told(MONDAY + 2 * HOUR, ANN)
    later = Talk("cho", "email").asks(MONDAY - 2 * DAY, complains_of="waiting").asks(MONDAY + 2 * DAY)
    waiting = Talk("dai", "email").asks(MONDAY + 3 * DAY, complains_of="logistics")

    found = told(
        api,
        *answered.events, *again.events, *later.events, *waiting.events,
        enriched(order("o1", "ann", "10", MONDAY)), enriched(order("o2", "eve", "10", MONDAY)),
    )  # fmt: skip

    whole = found["whole"]
    assert (whole["n_contacts"], whole["first_reply"]["n"], whole["first_reply"]["n_answered"]) == (5, 5, 2)
    assert (whole["complaints"]["n"], whole["complaints"]["n_hits"]) == (5, 2)
    assert whole["contacting"] == {"n": 2, "n_hits": 1, "share": None}
    assert whole["first_reply"]["median"] is None
    assert whole["first_contact_resolution"] == {"n": 2, "n_hits": 2, "share": None}
    assert [(one["name"], one["figures"]["n_contacts"]) for one in found["by_channel"]] == [("email", 3), ("chat", 2)]
    assert [(one["name"], one["figures"]["complaints"]["n_hits"], one["figures"]["complaints"]["n"])
            for one in found["by_aspect"]] == [("logistics", 1, 5), ("waiting", 1, 5)]  # fmt: skip
    assert [(one["name"], one["figures"]["n_contacts"]) for one in found["by_agent"]] == [("ann", 2)]
    assert [(one["period"], one["is_complete"], one["figures"]["n_contacts"]) for one in found["by_period"]] == [
        ("2026-03-09", False, 1),
        ("2026-03-16", False, 4),
    ]


def test_enough_contacts_have_a_median_with_those_who_wait(api: Api) -> None:
    talks = [Talk(f"c{n}").asks(MONDAY).is_told(MONDAY + (n + 1) * MINUTE, ANN) for n in range(30)]
    waiting = [Talk(f"w{n}").asks(MONDAY) for n in range(11)]

    found = told(api, *(event for talk in [*talks, *waiting] for event in talk.events))

    reply = found["whole"]["first_reply"]
    # The 21st of 41, where the mean of the answered would be a quarter of an hour.
    assert reply["median"]["seconds"] == 21 * 60
    assert reply["median"]["low"] < 21 * 60 < reply["median"]["high"]
    assert reply["within_hour"]["value"] == pytest.approx(30 / 41)
    assert found["by_agent"][0]["figures"]["first_reply"]["within_day"]["value"] == 1


def test_who_waits_a_little_longer_than_a_day_was_not_answered_within_it(api: Api) -> None:
    talks = [
        Talk(f"{name}{n}").asks(MONDAY).is_told(MONDAY + after, ANN)
        for name, after in (("in", DAY), ("out", DAY + MINUTE), ("hour", HOUR), ("over", HOUR + timedelta(seconds=1)))
        for n in range(10)
    ]

    reply = told(api, *(event for talk in talks for event in talk.events))["whole"]["first_reply"]

    assert (reply["within_hour"]["value"], reply["within_day"]["value"]) == (pytest.approx(0.25), pytest.approx(0.75))


def test_a_call_is_a_contact_that_waits_for_no_reply_and_notices_are_none(api: Api) -> None:
    call = Talk("c1", "phone").asks(MONDAY, call=Call(duration_s=60), text=None, attributes={"kind": "call"})
    notices = Talk("c2").asks(MONDAY, attributes={"kind": "reaction"})
    auto = Talk("c3").asks(MONDAY).is_told(MONDAY + MINUTE, ANN, attributes={"kind": "auto_reply"})

    found = told(api, *call.events, *notices.events, *auto.events)

    assert found["whole"]["n_contacts"] == 2
    assert (found["whole"]["first_reply"]["n"], found["whole"]["first_reply"]["n_answered"]) == (1, 0)


def test_who_asks_again_days_later_is_answered_once_for_both(api: Api) -> None:
    again = Talk("c1").asks(MONDAY - 2 * DAY).asks(MONDAY + 2 * DAY).is_told(MONDAY + 2 * DAY + HOUR, ANN)

    found = told(api, *again.events)

    assert (found["whole"]["n_contacts"], found["whole"]["first_reply"]["n_answered"]) == (2, 2)
    # Only the second one is the agent's: nobody answered the first while it was the only one.
    assert found["by_agent"][0]["figures"]["n_contacts"] == 1


def test_a_contact_is_resolved_at_first_where_no_other_follows_within_a_week(api: Api) -> None:
    start = MONDAY - 20 * DAY
    call: dict[str, Any] = {"call": Call(duration_s=60), "text": None, "attributes": {"kind": "call"}}
    talks = [
        # Answered, and a call about whatever five days later, which nothing follows.
        Talk("again").asks(start).is_told(start + HOUR, ANN),
        Talk("again", "phone").asks(start + 5 * DAY, **call),
        # Just beyond a week.
        Talk("later").asks(start).is_told(start + HOUR, ANN),
        Talk("later", "email").asks(start + 7 * DAY + MINUTE).is_told(start + 8 * DAY, ANN),
        # One contact, however many messages it takes.
        Talk("long").asks(start).is_told(start + HOUR, ANN).asks(start + 2 * DAY).is_told(start + 2 * DAY + HOUR, ANN),
        Talk("unanswered").asks(start),
        # Begun in what is asked for, followed by one that is not.
        Talk("last").asks(MONDAY + 4 * DAY).is_told(MONDAY + 4 * DAY + MINUTE, ANN),
        Talk("last", "email").asks(MONDAY + 6 * DAY),
    ]

    found = told(api, *(event for talk in talks for event in talk.events), days=30)

    assert found["whole"]["first_contact_resolution"] == {"n": 6, "n_hits": 4, "share": None}
    by_channel = {one["name"]: one["figures"]["first_contact_resolution"] for one in found["by_channel"]}
    assert {name: (one["n"], one["n_hits"]) for name, one in by_channel.items()} == {
        "chat": (4, 2), "email": (1, 1), "phone": (1, 1),
    }  # fmt: skip
    ann = found["by_agent"][0]["figures"]["first_contact_resolution"]
    assert (ann["n"], ann["n_hits"]) == (5, 3)


def test_tickets_take_as_long_as_they_were_open(api: Api) -> None:
    by_ann: dict[str, Any] = {"actor": ANN}
    events = []
    for n in range(30):
        at = MONDAY - 20 * DAY + n * MINUTE
        events += [step(TicketOpened, f"t{n}", at), step(TicketResolved, f"t{n}", at + HOUR, **by_ann)]
        if n < 6:
            # Two days with the customer are nobody's work.
            events += [step(TicketReopened, f"t{n}", at + 2 * DAY), step(TicketResolved, f"t{n}", at + 2 * DAY + HOUR)]
    events += [step(TicketOpened, f"open{n}", MONDAY) for n in range(3)]
    # Opened before what is asked for: in no figure.
    events += [step(TicketOpened, "old", MONDAY - 90 * DAY), step(TicketResolved, "old", MONDAY)]

    found = told(api, *events, days=30)["whole"]

    assert (found["resolution"]["n"], found["resolution"]["n_resolved"]) == (33, 30)
    assert found["resolution"]["median"]["seconds"] == 3_600
    assert (found["reopened"]["n"], found["reopened"]["n_hits"]) == (30, 6)
    assert found["reopened"]["share"]["value"] == pytest.approx(0.2)
    assert api.get("/v1/kpis/service", days=30, to=UNTIL)["by_agent"][0]["figures"]["resolution"]["n"] == 30


def test_surveys_are_of_who_answered_the_conversation(api: Api) -> None:
    events = []
    for n in range(32):
        talk = Talk(f"c{n}").asks(MONDAY, complains_of="price" if n < 8 else None).is_told(MONDAY + MINUTE, ANN)
        events += talk.events
        events.append(
            rated(f"c{n}", "csat", 5 if n < 16 else 3, 5, MONDAY + HOUR, channel="chat", conversation_id=f"talk-c{n}")
        )
        events.append(rated(f"c{n}", "nps", 10 if n < 16 else 8 if n < 24 else 6, 10, MONDAY + HOUR))

    found = told(api, *events)

    assert found["whole"]["csat"]["share"]["value"] == 0.5
    assert found["whole"]["nps"]["score"]["value"] == pytest.approx(25)
    assert found["whole"]["nps"]["score"]["low"] < 25 < found["whole"]["nps"]["score"]["high"]
    assert found["by_agent"][0]["figures"]["csat"]["n"] == 32
    assert found["by_agent"][0]["figures"]["nps"]["n"] == 0
    assert found["by_aspect"][0]["figures"]["csat"] == {"n": 8, "n_hits": 8, "share": None}


def consulted(customer_id: str, at: datetime, *, goal_met: bool, **fields: Any) -> EnrichedEvent:
    event = ConsultationCompleted(
        id=f"p-{customer_id}-{at.isoformat()}", source="crm", occurred_at=at, customer=Customer(customer_id),
        project_id=f"p-{customer_id}", goal_met=goal_met, **fields,
    )  # fmt: skip
    return enriched(event)


def test_effort_is_told_as_the_mean_of_answers_on_whatever_scale(api: Api) -> None:
    talks = [Talk(f"c{n}").asks(MONDAY, complains_of="waiting" if n < 6 else None).is_told(MONDAY + MINUTE, ANN)
             for n in range(20)]  # fmt: skip
    about: dict[str, Any] = {"channel": "chat", "at": MONDAY + HOUR}
    # Half of them 7 of 7, half 4 of 7; and 10 of the 20 others 5 of 5, which is 7 of 7, 10 of them 1 of 5.
    answers = [rated(f"c{n}", "ces", 7 if n < 10 else 4, 7, conversation_id=f"talk-c{n}", **about) for n in range(20)]
    answers += [rated(f"d{n}", "ces", 5 if n < 10 else 1, 5, MONDAY, channel="email") for n in range(20)]

    found = told(api, *(event for talk in talks for event in talk.events), *answers)

    ces = found["whole"]["ces"]
    # (20 x 7 + 10 x 4 + 10 x 1) / 40, with a standard deviation of 2.519 and Student's 2.0227.
    assert (ces["n"], ces["mean"]["value"]) == (40, pytest.approx(4.75))
    assert (ces["mean"]["low"], ces["mean"]["high"]) == (pytest.approx(3.944, abs=1e-3), pytest.approx(5.556, abs=1e-3))
    assert {one["name"]: one["figures"]["ces"] for one in found["by_channel"]} == {
        "chat": {"n": 20, "mean": None}, "email": {"n": 20, "mean": None},
    }  # fmt: skip
    assert [(one["name"], one["figures"]["ces"]["n"]) for one in found["by_agent"]] == [("ann", 20)]
    assert [(one["name"], one["figures"]["ces"]["n"]) for one in found["by_aspect"]] == [("waiting", 6)]
    assert (found["whole"]["csat"]["n"], found["whole"]["nps"]["n"]) == (0, 0)


def test_consultations_are_told_by_whether_they_met_their_goal(api: Api) -> None:
    talk = Talk("t").asks(MONDAY, complains_of="price").is_told(MONDAY + MINUTE, ANN)
    done = [consulted(f"c{n}", MONDAY, goal_met=n < 24, channel="phone", actor=Actor("agent", "bo")) for n in range(30)]
    # Nobody is named: it is of who answered in the conversation.
    done.append(consulted("t", MONDAY + HOUR, goal_met=False, channel="chat", conversation_id="talk-t"))

    found = told(api, *talk.events, *done)

    consultations = found["whole"]["consultations"]
    assert (consultations["n"], consultations["n_hits"]) == (31, 24)
    # Wilson: (24 + 1.92) / (31 + 3.84) -+ ...
    assert consultations["share"]["value"] == pytest.approx(24 / 31)
    assert (consultations["share"]["low"], consultations["share"]["high"]) == (
        pytest.approx(0.6019, abs=1e-3), pytest.approx(0.8863, abs=1e-3),
    )  # fmt: skip
    of_agent = {one["name"]: one["figures"]["consultations"] for one in found["by_agent"]}
    assert (of_agent["bo"]["n"], of_agent["bo"]["share"]["value"]) == (30, pytest.approx(0.8))
    assert of_agent["ann"] == {"n": 1, "n_hits": 0, "share": None}
    of_channel = {one["name"]: one["figures"]["consultations"]["n"] for one in found["by_channel"]}
    assert of_channel == {"phone": 30, "chat": 1}
    assert [(one["name"], one["figures"]["consultations"]["n"]) for one in found["by_aspect"]] == [("price", 1)]
    assert [one["figures"]["consultations"]["n"] for one in found["by_period"]] == [0, 31]
    assert found["whole"]["n_contacts"] == 1


def test_weeks_and_days_begin_where_the_company_is(api: Api) -> None:
    # Monday in Shanghai, Sunday in London.
    at = datetime(2026, 3, 15, 17, tzinfo=UTC)
    api.publish(ENRICHED, *Talk("c1").asks(at).events)
    api.wait_projected()

    def weeks(zone: str) -> list[Any]:
        found = api.get("/v1/kpis/service", days=7, to=UNTIL, time_zone=zone)
        return [(one["period"], one["figures"]["n_contacts"]) for one in found["by_period"]]

    assert weeks("UTC") == [("2026-03-09", 1), ("2026-03-16", 0)]
    assert weeks("Asia/Shanghai") == [("2026-03-09", 0), ("2026-03-16", 1)]


def test_figures_of_agents_are_for_who_leads_them(api: Api) -> None:
    told(api, *Talk("c1").asks(MONDAY).is_told(MONDAY + MINUTE, ANN).events)

    found = {}
    for role in ("viewer", "agent", "supervisor"):
        with api.client(api.key_for(role)) as client:
            found[role] = client.get("/v1/kpis/service", params={"to": UNTIL}).json()
    with api.client(api.key_for("integrator")) as client:
        refused = client.get("/v1/kpis/service").status_code

    assert [found["viewer"]["by_agent"], found["agent"]["by_agent"]] == [None, None]
    assert [one["name"] for one in found["supervisor"]["by_agent"]] == ["ann"]
    assert found["viewer"]["whole"] == found["supervisor"]["whole"]
    assert refused == 403


def test_nothing_is_told_as_such_and_nonsense_is_refused(api: Api) -> None:
    found = api.get("/v1/kpis/service")

    with api.client() as client:
        refused = [
            client.get("/v1/kpis/service", params=asked).status_code
            for asked in ({"days": 0}, {"days": 401}, {"to": "2999-01-01T00:00:00Z"}, {"time_zone": "Mars/Base"})
        ]

    assert (found["whole"]["n_contacts"], found["by_channel"], found["by_agent"]) == (0, [], [])
    assert len(found["by_period"]) in (4, 5)
    assert refused == [422, 422, 422, 422]
