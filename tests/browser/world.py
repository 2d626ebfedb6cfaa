"""A small shop's customers as the processors would publish them: orders, talks, risks, alerts; the same every time."""

import math
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from services.churn_alerts.alert.playbook import choose_playbook, sensitivity_of, shipped_playbooks
from shared.contracts.alert import (
    AlertBody,
    AlertCleared,
    AlertRaised,
    AlertRecord,
    Cause,
    ClearReason,
    CustomerRisk,
    Risk,
    RiskReason,
    Severity,
    Signal,
    Tier,
)
from shared.contracts.dead_letter import DeadLetter
from shared.contracts.enriched import (
    Aspect,
    AspectHit,
    Engagement,
    EnrichedEvent,
    Origin,
    Sentiment,
    SentimentLabel,
    WindowCounts,
)
from shared.contracts.event import (
    Actor,
    Channel,
    Customer,
    CustomerIdentified,
    EventBase,
    Interaction,
    OrderItem,
    OrderPlaced,
    SurveyAnswered,
)
from shared.contracts.identity import LinkConflicted

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SCORES: dict[SentimentLabel, float] = {"negative": -0.78, "neutral": 0.02, "positive": 0.74}


@dataclass(frozen=True)
class Person:
    """Who somebody is and how they buy; `silence_days` ago was the last order."""

    id: str
    name: str
    handle: str
    gap_days: float
    basket: float
    silence_days: float
    tier: Tier
    p_churn: float
    is_demo: bool = True


@dataclass
class World:
    """Contracts by topic, ready to publish."""

    enriched: list[EnrichedEvent] = field(default_factory=list)
    risks: list[CustomerRisk] = field(default_factory=list)
    alerts: list[AlertRecord] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)

    def by_topic(self) -> Iterator[tuple[str, list[Any]]]:
        yield "interactions.enriched", self.enriched
        yield "churn.risk", self.risks
        yield "churn.alerts", self.alerts
        yield "dead-letters", self.dead_letters


GRACE = Person("demo-012", "Grace Lin", "tel:+12125550012", 21, 164.0, 67, "platinum", 0.81)
PEOPLE = (
    GRACE,
    Person("demo-001", "王美", "tel:+8613800000001", 14, 96.0, 33, "gold", 0.72),
    Person("demo-002", "Ben Carter", "mailto:ben.carter@example.com", 30, 58.0, 71, "silver", 0.64),
    Person("demo-003", "李强", "wechat:shop/o6_bmjrPTlm6", 10, 41.5, 24, "silver", 0.58),
    Person("demo-004", "Chloe Diaz", "tel:+12125550004", 7, 33.0, 19, "gold", 0.61),
    Person("demo-005", "张敏", "tel:+8613800000005", 21, 120.0, 12, "gold", 0.22),
    Person("demo-006", "Daniel Reed", "mailto:daniel@example.com", 14, 75.0, 9, "bronze", 0.12),
    Person("demo-007", "刘洋", "tel:+8613800000007", 30, 210.0, 88, "platinum", 0.86),
    Person("demo-008", "Emma Stone", "tel:+12125550008", 14, 52.0, 41, "bronze", 0.77),
    Person("demo-009", "陈静", "tel:+8613800000009", 21, 87.0, 45, "silver", 0.55),
    Person("demo-010", "Felix Hart", "mailto:felix@example.com", 30, 140.0, 35, "gold", 0.34),
    Person("demo-011", "杨帆", "tel:+8613800000011", 7, 26.0, 16, "bronze", 0.49),
)

TALKS: dict[str, list[tuple[float, Channel, str, SentimentLabel, list[Aspect]]]] = {
    "demo-012": [
        (126, "email", "Great coffee as always, the new roast is wonderful!", "positive", []),
        (94, "chat", "How do I change my delivery address?", "neutral", []),
        (66, "email", "My parcel is a week late and nobody tells me anything.", "negative", ["logistics"]),
        (
            61,
            "chat",
            "Still no delivery. The tracking has not moved for five days.",
            "negative",
            ["logistics", "waiting"],
        ),
        (
            58,
            "phone",
            "I was promised it would arrive yesterday. It did not. I am very disappointed.",
            "negative",
            ["logistics"],
        ),
        (
            12,
            "social",
            "Third order in a row that came late. Looking for another roaster, any tips?",
            "negative",
            ["logistics"],
        ),
    ],
    "demo-001": [
        (80, "chat", "咖啡很好喝，会一直回购的！", "positive", []),
        (32, "chat", "磨豆机用了两周就坏了，质量太差。", "negative", ["quality"]),
        (27, "chat", "换来的还是坏的，非常不满意。", "negative", ["quality", "after_sales"]),
        (25, "phone", "客服态度恶劣，问了半天没人理我。", "negative", ["attitude", "waiting"]),
    ],
    "demo-003": [
        (22, "chat", "等了一个星期还没收到货，太失望了。", "negative", ["logistics"]),
        (21, "chat", "请问什么时候发货？", "neutral", []),
    ],
    "demo-004": [
        (18, "email", "The price went up again. I can get the same beans for a third less.", "negative", ["price"])
    ],
    "demo-005": [(11, "chat", "客服很耐心，问题马上就解决了，谢谢。", "positive", [])],
}


def company(now: datetime, seed: int = 7) -> World:
    """Return everybody's last 300 days as of `now`."""
    chance = random.Random(seed)  # reproducible, not secret
    world = World()
    for person in PEOPLE:
        world.enriched += life(person, now, chance)
        world.risks += course(person, now)
        world.risks.append(customer_risk(person, now))
    for days_ago, person, cause, reason in PAST_ALERTS:
        world.alerts += past_alert(person, cause, reason, now - days_ago * DAY, now)
    for minutes, person, severity, cause in ALERTS:
        world.alerts.append(alert(person, severity, cause, now - timedelta(minutes=minutes), now))
    world.dead_letters = dead_letters(now)
    return world


def course(person: Person, now: datetime) -> list[CustomerRisk]:
    """Return a person's risk as it was computed every fourth day of the last half year, oldest first."""
    found = []
    for days_ago in range(180, 0, -4):
        silence = person.silence_days - days_ago
        # Before the last order the silence never grew beyond the usual gap.
        overdue = silence / person.gap_days if silence > 0 else ((-silence) % person.gap_days) / person.gap_days - 1
        share = 1 / (1 + math.exp(-2.4 * (overdue - 1)))
        at = now - days_ago * DAY
        seen = replace(person, p_churn=round(person.p_churn * min(share * 1.05, 1), 3), silence_days=max(silence, 0.5))
        found.append(customer_risk(seen, at))
    return found


def past_alert(person: Person, cause: Cause, reason: ClearReason, at: datetime, now: datetime) -> list[AlertRecord]:
    """Return an alert of the past and how it was cleared, ten days later."""
    raised = alert(person, "medium", cause, at, now, f"al-past-{person.id}-{(now - at).days}")
    cleared = AlertCleared(
        alert_id=raised.alert_id, customer_id=person.id, at=at + 10 * DAY, revision=2, rules_version=1, reason=reason
    )
    return [raised, cleared]


def life(person: Person, now: datetime, chance: random.Random) -> list[EnrichedEvent]:
    """Return a person's profile, orders and talks, oldest first."""
    events: list[tuple[EventBase, SentimentLabel | None, list[Aspect]]] = []
    who = Customer(person.id, [person.handle])
    marks = {"demo": "true"} if person.is_demo else {}
    orders = []
    at = now - person.silence_days * DAY
    while at > now - 300 * DAY:
        orders.append(at)
        at -= person.gap_days * chance.uniform(0.75, 1.3) * DAY
    events.append(
        (
            CustomerIdentified(
                id=f"{person.id}-profile",
                source="demo",
                occurred_at=orders[-1] - HOUR,
                customer=who,
                name=person.name,
                attributes=marks,
            ),
            None,
            [],
        )
    )
    for number, placed_at in enumerate(reversed(orders)):
        amount = f"{person.basket * chance.uniform(0.6, 1.5):.2f}"
        events.append(
            (
                OrderPlaced(
                    id=f"{person.id}-o{number}",
                    source="demo",
                    occurred_at=placed_at,
                    customer=who,
                    order_id=f"{4100 + number}",
                    amount=amount,
                    items=[OrderItem("espresso-1kg", "coffee", 2)],
                    channel="web",
                    attributes=marks,
                ),
                None,
                [],
            )
        )
    for number, (days_ago, channel, text, label, aspects) in enumerate(TALKS.get(person.id, [])):
        said_at = now - days_ago * DAY
        events.append(
            (
                Interaction(
                    id=f"{person.id}-m{number}",
                    source="demo",
                    occurred_at=said_at,
                    customer=who,
                    channel=channel,
                    direction="inbound",
                    actor=Actor("customer"),
                    text=text,
                    attributes=marks,
                ),
                label,
                aspects,
            )
        )
        if label == "negative" and number % 2:
            events.append(
                (
                    Interaction(
                        id=f"{person.id}-r{number}",
                        source="demo",
                        occurred_at=said_at + 5 * HOUR,
                        customer=who,
                        channel=channel,
                        direction="outbound",
                        actor=Actor("agent", "a7", "Mia"),
                        text="We are sorry. We are tracing it with the carrier and will call you back.",
                        attributes=marks,
                    ),
                    None,
                    [],
                )
            )
    if person.id == "demo-012":
        events.append(
            (
                SurveyAnswered(
                    id="demo-012-s1",
                    source="demo",
                    occurred_at=now - 57 * DAY,
                    customer=who,
                    kind="csat",
                    score=2,
                    scale_min=1,
                    scale_max=5,
                    channel="email",
                    attributes=marks,
                ),
                None,
                [],
            )
        )
    events.sort(key=lambda item: item[0].occurred_at)
    return [
        enriched(event, number, label, aspects, person, now) for number, (event, label, aspects) in enumerate(events)
    ]


def enriched(
    event: EventBase, offset: int, label: SentimentLabel | None, aspects: list[Aspect], person: Person, now: datetime
) -> EnrichedEvent:
    talks = TALKS.get(person.id, [])

    def within(days: int, only: SentimentLabel | None = None) -> int:
        return sum(1 for ago, *_, mood, _a in talks if ago <= days and (only is None or mood == only))

    complaints = WindowCounts(d7=within(7, "negative"), d30=within(30, "negative"), d90=within(90, "negative"))
    by_aspect = {
        aspect: WindowCounts(d90=sum(1 for ago, *_, found in talks if ago <= 90 and aspect in found))
        for aspect in sorted({aspect for *_, found in talks for aspect in found})
    }
    return EnrichedEvent(
        event=event,  # type: ignore[arg-type]  # the union of all event classes
        engagement=Engagement(
            as_of=now,
            inbound=WindowCounts(d7=within(7), d30=within(30), d90=within(90)),
            outbound=WindowCounts(d90=within(90, "negative") // 2),
            complaints=complaints,
            complaints_by_aspect=by_aspect,
            longest_silence_days=41.0,
            median_response_s=18_000.0,
        ),
        origin=Origin(0, offset),
        sentiment=sentiment(label, aspects, event.text or "") if label else None,
    )


def sentiment(label: SentimentLabel, aspects: list[Aspect], text: str) -> Sentiment:
    score = SCORES[label]
    return Sentiment(
        label=label,
        score=score,
        p_negative=max(0.0, -score),
        p_neutral=1 - abs(score),
        p_positive=max(0.0, score),
        language="zh" if any(ord(character) > 0x3000 for character in text) else "en",
        is_complaint=label == "negative",
        aspects=[AspectHit(aspect, []) for aspect in aspects],
    )


def risk(person: Person, now: datetime) -> Risk:
    value = person.basket * 365 / person.gap_days * 0.62
    u, g = round(person.silence_days), round(person.gap_days)
    return Risk(
        p_churn=person.p_churn,
        horizon_days=90,
        as_of=now,
        generation=1,
        is_prior=True,
        tier=person.tier,
        residual_value=round(value, 2),
        expected_loss=round(value * person.p_churn, 2),
        silence_days=person.silence_days,
        usual_gap_days=person.gap_days,
        expected_next_at=now - (person.silence_days - person.gap_days) * DAY,
        reasons=[
            RiskReason(
                "overdue_against_usual_gap",
                1.31 * person.p_churn,
                f"overdue: {u} days against a usual gap of {g}",
                f"已逾期：沉默{u}天，通常间隔{g}天",
            ),
            RiskReason(
                "beyond_own_history",
                0.84 * person.p_churn,
                f"{u} days of silence are more than this customer's own rhythm explains",
                f"沉默{u}天，超出该客户自身的购买节奏",
            ),
            RiskReason(
                "buying_less",
                0.37 * person.p_churn,
                "bought less in the last weeks and months",
                "近几周和几个月购买减少",
            ),
            RiskReason("baskets_shrinking", -0.29, "the baskets are large or growing", "每次消费金额偏高或在上升"),
        ],
    )


def customer_risk(person: Person, now: datetime) -> CustomerRisk:
    return CustomerRisk(
        customer_id=person.id,
        as_of=now,
        state="at_risk" if person.p_churn > 0.4 else "active",
        n_purchases=max(2, int((300 - person.silence_days) / person.gap_days)),
        last_purchase_at=now - person.silence_days * DAY,
        risk=risk(person, now),
    )


ALERTS: tuple[tuple[float, Person, Severity, Cause], ...] = (
    (4, GRACE, "critical", "logistics"),
    (26, PEOPLE[1], "high", "quality"),
    (51, PEOPLE[7], "critical", "unknown"),
    (95, PEOPLE[4], "high", "price"),
    (180, PEOPLE[3], "medium", "logistics"),
    (340, PEOPLE[2], "medium", "unknown"),
    (700, PEOPLE[8], "medium", "unknown"),
    (1500, PEOPLE[9], "low", "unknown"),
    (3100, PEOPLE[11], "low", "price"),
)
_PAST: tuple[tuple[int, Cause, ClearReason], ...] = (
    (5, "logistics", "returned"),
    (6, "logistics", "returned"),
    (2, "price", "lost"),
    (10, "logistics", "returned"),
    (4, "price", "returned"),
    (9, "quality", "lost"),
    (5, "logistics", "returned"),
    (8, "unknown", "lost"),
    (11, "attitude", "returned"),
    (3, "logistics", "returned"),
    (1, "quality", "returned"),
    (6, "waiting", "returned"),
    (10, "logistics", "lost"),
    (0, "price", "returned"),
    (7, "unknown", "returned"),
)
PAST_ALERTS = tuple((12.0 + 4 * n, PEOPLE[person], cause, reason) for n, (person, cause, reason) in enumerate(_PAST))


def alert(
    person: Person, severity: Severity, cause: Cause, at: datetime, now: datetime, alert_id: str = ""
) -> AlertRaised:
    """Return a raise that reads like the engine's own."""
    u, g = round(person.silence_days), round(person.gap_days)
    en, zh = f"No purchase for {u} days; usually one every {g} days", f"已{u}天未购买，通常每{g}天购买一次"
    signals = [
        Signal(
            name="purchase_overdue",
            value=person.p_churn,
            threshold=0.5,
            contribution=round(1.4 * person.p_churn, 2),
            reason_en=en,
            reason_zh=zh,
        ),
    ]
    complaints = [n for n, (*_, mood, _a) in enumerate(TALKS.get(person.id, [])) if mood == "negative"]
    if complaints:
        n = len(complaints)
        counted = f"{n} complaint{'' if n == 1 else 's'} in the last 90 days"
        en, zh = f"{en}; {counted}", f"{zh}；近90天投诉{n}次"
        signals.append(
            Signal(
                name="complaints_surging",
                value=n,
                threshold=1.6,
                contribution=round(0.3 * n, 2),
                evidence=[f"{person.id}-m{number}" for number in complaints],
                reason_en=f"{counted}; about 0.4 would be usual for this customer",
                reason_zh=f"近90天投诉{n}次，该客户通常约0.4次",
            ),
        )
    chosen = choose_playbook(shipped_playbooks(), cause, person.tier, sensitivity_of(cause, is_basket_shrinking=False))
    assert chosen is not None
    return AlertRaised(
        alert_id=alert_id or f"al-{person.id}",
        customer_id=person.id,
        at=at,
        revision=1,
        rules_version=1,
        body=AlertBody(
            severity=severity,
            cause=cause,
            p_cause=0.35 if cause == "unknown" else 0.83,
            signals=signals,
            summary_en=f"{en}; {person.p_churn:.0%} likely not to buy in the next 90 days.",
            summary_zh=f"{zh}；未来90天不再购买的概率约{person.p_churn:.0%}。",
            risk=risk(person, now),
            playbook=chosen.name,
            playbook_reason=chosen.reason_en,
            playbook_reason_zh=chosen.reason_zh,
        ),
    )


def a_conflict(now: datetime) -> LinkConflicted:
    """Return a claim to a number that another customer has."""
    return LinkConflicted(
        at=now - 5 * HOUR,
        linked_id="cus_5753e2473ecb0265be34e89c18",
        owner_id="demo-001",
        claimant_id="demo-005",
        handle="tel:+8613800000001",
        by="shop",
        reason="order.placed demo-005-o3",
    )


def dead_letters(now: datetime) -> list[DeadLetter]:
    bad = b'{"type":"interaction","id":"m-77","source":"legacy crm","occurred_at":"yesterday","text":"hello"}'
    return [
        DeadLetter(
            id="dl-1",
            stage="sentiment",
            topic="interactions",
            partition=0,
            offset=41,
            reason="Invalid RFC3339 encoded datetime",
            error="/occurred_at: Invalid RFC3339 encoded datetime",
            pointer="/occurred_at",
            first_seen_at=now - 3 * HOUR,
            key=b"c-77",
            value=bad,
            headers=[("schema", b"event.v1"), ("ce_source", b"legacy crm")],
        ),
        DeadLetter(
            id="dl-2",
            stage="churn_alerts",
            topic="interactions.enriched",
            partition=1,
            offset=9,
            reason="JSON is malformed: invalid character (byte 0)",
            error="/: JSON is malformed: invalid character (byte 0)",
            first_seen_at=now - 5 * HOUR,
            key=b"c-1",
            value=b"\x00\xff\xfe\x01",
            headers=[],
        ),
    ]


def somebody(number: int, name: str | None = None) -> Person:
    """Return a person of a test's own; ids differ for different numbers and names."""
    told = name or f"Customer {number}"
    mark = zlib.crc32(told.encode("utf-8", "surrogatepass"))
    return Person(f"c{number}-{mark}", told, f"tel:+1415555{number:04}", 14, 80, 40, "gold", 0.66, False)


def raise_for(person: Person, now: datetime, severity: Severity = "high", cause: Cause = "logistics") -> World:
    """Return one person's profile, a text, their risk and a fresh alert."""
    chance = random.Random(person.id)  # reproducible, not secret
    return World(
        enriched=life(person, now, chance),
        risks=[customer_risk(person, now)],
        alerts=[alert(person, severity, cause, now, now)],
    )
