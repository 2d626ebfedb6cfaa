"""`pulseline demo send|remove`: lifelike traffic of made-up customers, marked as demo data; one command removes it."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from services.cli.endpoint import ApiKey, IngestUrl, ingest_endpoint
from shared.clock import SystemClock

app = typer.Typer(help="Demo data: made-up customers, marked as such.", no_args_is_help=True)

SOURCE = "demo"
HISTORY_DAYS = 200
_SEED = 7

_EN = ("Alice Moore", "Ben Carter", "Chloe Diaz", "Daniel Reed", "Emma Stone", "Felix Hart", "Grace Lin", "Hugo Wolf")
_ZH = ("王美", "李强", "张敏", "刘洋", "陈静", "杨帆", "赵磊", "黄丽")

_GREETINGS = {
    "en": (
        "Hi, when will my order be shipped?",
        "How do I change my delivery address?",
        "Thanks, the coffee is excellent as always!",
        "Do you have the large filter in stock?",
        "Great service, the replacement came the next day.",
        "Can I get an invoice for order 5521?",
    ),
    "zh": (
        "请问什么时候发货？",
        "怎么修改收货地址？",
        "咖啡很好喝，会一直回购的！",
        "大号滤纸还有货吗？",
        "客服很耐心，问题马上就解决了，谢谢。",
        "可以开一张发票吗？",
    ),
}
# (cause, texts): what an unhappy customer says, one message after the other.
_COMPLAINTS = {
    "en": (
        (
            "My parcel is a week late and nobody tells me anything.",
            "Still no delivery. The tracking has not moved for five days, this is ridiculous.",
            "I was promised it would arrive yesterday. It did not. I am very disappointed.",
            "Terrible delivery service. Cancel everything, I am ordering elsewhere.",
        ),
        (
            "The grinder broke after two weeks, awful quality.",
            "The replacement is broken as well. This is really bad.",
            "It leaks and makes a horrible noise, I want my money back.",
            "Worst machine I have ever bought, a complete waste of money.",
        ),
    ),
    "zh": (
        (
            "等了一个星期还没收到货，太失望了。",
            "物流信息五天没动了，到底什么时候送到？太慢了！",
            "客服说昨天到，结果又没有，骗人。",
            "再也不买了，物流太差，我要退款！",
        ),
        (
            "磨豆机用了两周就坏了，质量太差。",
            "换来的还是坏的，非常不满意。",
            "客服态度恶劣，问了半天没人理我。",
            "垃圾产品，我要投诉，要求退款。",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    id: str
    name: str
    language: str
    phone: str
    gap_days: float
    basket: float


def customers(n: int, chance: random.Random) -> list[DemoCustomer]:
    """Return `n` made-up customers, the same ones for the same seed."""
    made = []
    for index in range(n):
        language = "zh" if index % 2 else "en"
        name = (_ZH if index % 2 else _EN)[index // 2 % len(_EN)]
        made.append(
            DemoCustomer(
                id=f"demo-{index:03d}",
                name=name if index < 2 * len(_EN) else f"{name} {index // (2 * len(_EN)) + 1}",
                language=language,
                phone=f"tel:+86138{index:08d}" if language == "zh" else f"tel:+1212555{index:04d}",
                gap_days=chance.choice((7.0, 14.0, 21.0, 30.0)),
                basket=chance.uniform(15, 180),
            )
        )
    return made


def history(people: list[DemoCustomer], now: datetime, chance: random.Random) -> list[dict[str, Any]]:
    """Return their profiles and past orders in order of time; some stopped buying some weeks ago."""
    events = [_profile(person, now - timedelta(days=HISTORY_DAYS + 1)) for person in people]
    for index, person in enumerate(people):
        stopped = index % 5 == 0
        at = now - timedelta(days=HISTORY_DAYS - chance.uniform(0, person.gap_days))
        until = now - timedelta(days=1.5 * person.gap_days if stopped else 0, hours=25)
        number = 0
        while at < until:
            number += 1
            events.append(_order(person, at, number, chance))
            at += timedelta(days=chance.gammavariate(4, person.gap_days / 4))
    return sorted(events, key=lambda event: str(event["occurred_at"]))


def live(people: list[DemoCustomer], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield what is said now, without times: everyday questions, and four customers who lose patience."""
    unhappy = [person for person in people if person.id.endswith(("003", "004", "007", "010"))]
    episodes = [
        [(person, text) for text in _COMPLAINTS[person.language][index // 2 % 2]]
        for index, person in enumerate(unhappy)
    ]
    number = 0
    while any(episodes):
        for episode in episodes:
            for _ in range(2):
                number += 1
                person = chance.choice([one for one in people if one not in unhappy])
                yield _message(person, chance.choice(_GREETINGS[person.language]), number)
            if episode:
                number += 1
                yield _message(*episode.pop(0), number)


@app.command()
def send(
    n_customers: Annotated[int, typer.Option("--customers", min=12, max=1000, help="How many made-up customers.")] = 60,
    per_s: Annotated[float, typer.Option(min=0.1, max=100, help="Live messages a second.")] = 3.0,
    url: IngestUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Send half a year of orders at once, then a minute of live messages."""
    from pulseline.client import Client

    clock, chance = SystemClock(), random.Random(_SEED)  # noqa: S311  # reproducible, not secret
    endpoint = ingest_endpoint(url, api_key)
    people = customers(n_customers, chance)
    now = clock.now()
    with Client(endpoint.url, endpoint.api_key) as client:
        past = client.send(history(people, now, chance))
        typer.echo(f"demo: {past.accepted} events of {len(people)} made-up customers' history sent")
        run = f"{now:%Y%m%dT%H%M%S}"
        n_live = 0
        for message in live(people, chance):
            message["id"] = f"{run}-{message['id']}"
            client.send({**message, "occurred_at": clock.now().isoformat()})
            n_live += 1
            time.sleep(1 / per_s)
    typer.echo(f"demo: {n_live} live messages sent; `pulseline demo remove` erases all demo customers")


@app.command()
def remove(
    n_customers: Annotated[int, typer.Option("--customers", min=12, max=1000, help="As many as were made.")] = 60,
    url: IngestUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Erase every demo customer: rows, state and alerts."""
    from pulseline.client import Client

    now = SystemClock().now().isoformat()
    people = customers(n_customers, random.Random(_SEED))  # noqa: S311  # reproducible, not secret
    endpoint = ingest_endpoint(url, api_key)
    with Client(endpoint.url, endpoint.api_key) as client:
        receipt = client.send(
            {"type": "customer.erased", "id": f"erase-{now}", "source": SOURCE, "occurred_at": now,
             "customer": {"id": person.id}}
            for person in people
        )  # fmt: skip
    typer.echo(f"demo: erasure of {receipt.accepted} customers requested")


def _base(person: DemoCustomer, kind: str, identifier: str) -> dict[str, Any]:
    return {
        "type": kind,
        "id": identifier,
        "source": SOURCE,
        "customer": {"id": person.id, "handles": [person.phone]},
        "attributes": {"demo": "true"},
    }


def _profile(person: DemoCustomer, at: datetime) -> dict[str, Any]:
    return {
        **_base(person, "customer.identified", f"{person.id}-profile"),
        "occurred_at": at.isoformat(),
        "name": person.name,
        "consent": True,
    }


def _order(person: DemoCustomer, at: datetime, number: int, chance: random.Random) -> dict[str, Any]:
    identifier = f"{person.id}-order-{number}"
    return {
        **_base(person, "order.placed", identifier),
        "occurred_at": at.isoformat(),
        "order_id": identifier,
        "amount": f"{person.basket * chance.lognormvariate(0, 0.3):.2f}",
        "currency": "CNY" if person.language == "zh" else "USD",
    }


def _message(person: DemoCustomer, text: str, number: int) -> dict[str, Any]:
    return {
        **_base(person, "interaction", f"message-{number}"),
        "channel": "chat" if number % 3 else "email",
        "direction": "inbound",
        "actor": {"kind": "customer", "name": person.name},
        "text": text,
    }
