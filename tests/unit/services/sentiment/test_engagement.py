"""Engagement by example: what counts, for whom, and what is derived."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.sentiment.engagement.counters import observe
from services.sentiment.engagement.tally import Tally
from services.sentiment.interaction.decide import judged_text
from shared.contracts.enriched import AspectHit, Engagement, Sentiment
from shared.contracts.event import Actor, Call, Customer, Interaction

AT = datetime(2026, 11, 1, 9, tzinfo=UTC)
ANGRY = Sentiment(
    label="negative", score=-0.8, p_negative=0.85, p_neutral=0.1, p_positive=0.05, language="en", is_complaint=True,
    aspects=[AspectHit("waiting", ["waiting"])],
)  # fmt: skip


def message(at: datetime = AT, **changes: Any) -> Interaction:
    members: dict[str, Any] = {
        "id": at.isoformat(), "source": "s", "occurred_at": at, "customer": Customer("c"), "channel": "chat",
        "direction": "inbound", "actor": Actor("customer"), **changes,
    }  # fmt: skip
    return Interaction(**members)


def after(*messages: tuple[Interaction, Sentiment | None]) -> Engagement:
    tally = Tally()
    for event, sentiment in messages:
        tally.add(observe(event, sentiment))
    return tally.engagement()


def test_complaint_is_counted_by_aspect_and_window() -> None:
    derived = after((message(AT - timedelta(days=10)), ANGRY), (message(), ANGRY))

    assert (derived.complaints.d7, derived.complaints.d30) == (1, 2)
    assert derived.complaints_by_aspect["waiting"].d90 == 2


def test_what_an_agent_writes_is_no_complaint() -> None:
    derived = after((message(direction="outbound", actor=Actor("agent")), ANGRY))

    assert derived.complaints.d90 == 0
    assert derived.sentiment_mean_30d is None


def test_one_call_or_one_corrected_message_is_one_contact_and_one_complaint() -> None:
    call = [(message(AT + timedelta(minutes=n), attributes={"kind": kind}), None) for n, kind in enumerate(
        ("call_started", "call", "recording"))]  # fmt: skip
    told = (message(AT + timedelta(minutes=3), attributes={"kind": "transcript"}), ANGRY)
    written = (message(AT + timedelta(hours=1), attributes={"kind": "message"}), ANGRY)
    corrected = (message(AT + timedelta(hours=1, minutes=1), attributes={"kind": "edit"}), ANGRY)

    derived = after(*call, told, written, corrected)

    assert (derived.inbound.d7, derived.by_channel["chat"].d7) == (2, 2)
    assert derived.complaints.d7 == 2


def test_a_page_that_a_customer_looked_at_waits_for_no_answer() -> None:
    derived = after(
        (message(attributes={"kind": "page"}), None),
        (message(AT + timedelta(hours=9)), None),
        (message(AT + timedelta(hours=9, seconds=60), direction="outbound", actor=Actor("agent")), None),
    )

    assert derived.median_response_s == 60
    assert derived.first_contact_at == AT + timedelta(hours=9)


def test_response_time_runs_from_the_first_unanswered_message_to_a_persons_answer() -> None:
    derived = after(
        (message(), None),
        (message(AT + timedelta(seconds=10), direction="outbound", actor=Actor("bot")), None),
        (message(AT + timedelta(seconds=20)), None),
        (message(AT + timedelta(seconds=60), direction="outbound", actor=Actor("agent")), None),
    )

    assert derived.median_response_s == 60


def test_mood_that_worsens_has_a_negative_trend() -> None:
    happy = Sentiment(label="positive", score=0.8, p_negative=0.1, p_neutral=0.0, p_positive=0.9, language="en")

    derived = after((message(AT - timedelta(days=60)), happy), (message(), ANGRY))

    assert derived.sentiment_trend is not None
    assert derived.sentiment_trend < 0


def test_mean_mood_is_that_of_the_scores_of_thirty_days() -> None:
    moods = [(40, -1.0), (29, 1.0), (10, -0.5), (0, 0.1234)]

    derived = after(
        *(
            (
                message(AT - timedelta(days=days)),
                Sentiment(label="neutral", score=score, p_negative=0.3, p_neutral=0.4, p_positive=0.3, language="en"),
            )
            for days, score in moods
        )
    )

    assert derived.sentiment_mean_30d == round((1.0 - 0.5 + 0.1234) / 3, 4)


def test_longest_silence_is_between_days_with_contact() -> None:
    derived = after(*((message(AT - timedelta(days=days)), None) for days in (20, 5, 0)))

    assert derived.longest_silence_days == 15.0


def test_transcript_of_a_call_is_judged() -> None:
    assert judged_text(message(channel="phone", call=Call(transcript="I waited an hour"))) == "I waited an hour"


def test_quoted_reply_of_a_mail_is_not_judged() -> None:
    mail = message(channel="email", text="Thanks, solved.\n\nOn Mon, Nov 2, 2026 at 9:00 Ann wrote:\n> terrible")

    assert judged_text(mail) == "Thanks, solved."


def test_a_turn_leaves_with_its_day_whatever_makes_the_newer_day() -> None:
    """A bot's message is no turn; it must end the wait of 91 days ago all the same, in either order."""
    old, bots = message(AT - timedelta(days=91)), message(direction="outbound", actor=Actor("bot"))
    answer = message(AT + timedelta(seconds=9), direction="outbound", actor=Actor("agent"))

    assert after((old, None), (bots, None), (answer, None)).median_response_s is None
    assert after((bots, None), (old, None), (answer, None)) == after((old, None), (bots, None), (answer, None))
