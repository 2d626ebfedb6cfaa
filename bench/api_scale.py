"""How reads hold up with full tables: customer view, alert list, search, segments, export, with their plans.

    python -m bench.api_scale [--customers 1000000] [--interactions 10000000] [--alerts 100000] [--requests 200]
                              [--folder FOLDER] [--fill] [--plans docs/operations/query-plans.md]

Fills an embedded PostgreSQL of default settings by INSERT … SELECT, then asks one API process over HTTP, one request
at a time, and reports p50, p99 and the worst of each read in milliseconds, for an export until its first bytes. With
--folder the database is kept there and a fill that was cut short goes on where it stopped; --fill does nothing else.
"""

import argparse
import asyncio
import http.client
import random
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.stream import free_port, start_api, wait_for
from services.api.alert import store as alerts
from services.api.alert.decide import decide, decide_record, fold, replay
from services.api.alert.model import Acknowledge, Alert, Assign, Command, Resolve
from services.api.auth.store import create_admin_key
from services.api.customer import store as customers
from services.api.interaction.search import text_terms, tsvector
from services.api.projection import store as projection
from shared.contracts.alert import AlertBody, AlertRaised, Risk, Severity, Tier
from shared.contracts.codec import encode
from shared.contracts.enriched import Engagement, WindowCounts
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from shared.postgres.pool import open_connection

_END = datetime(2026, 11, 28, tzinfo=UTC)
_DAYS = 360
_STEP = 200_000
_ALERT_STEP = 2_000
_N_TEXTS = 1_000
_N_NAMES = 10_000
_N_WARM = 3
# Every hundredth event is of one of these customers: a thousand each at ten million.
_N_TALKATIVE = 100
_WORDS = (
    "客服",
    "态度",
    "物流",
    "太慢",
    "质量",
    "很好",
    "价格",
    "发货",
    "什么",
    "时候",
    "电话",
    "没有",
    "order",
    "late",
)
# In one text of a hundred and in one of a thousand.
_RARE, _RAREST = "退款", "发票"
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红志文建国"
_TIERS: tuple[Tier, ...] = ("new", "bronze", "silver", "gold", "platinum")
_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

# As the migrations make them; made once the rows are there, since that takes a third of the time.
_LATE_INDEXES = {
    "interactions_timeline": "(customer_id, occurred_at DESC, event_key DESC)",
    "interactions_search": "USING gin (search)",
}
# While filling alone: a crash means filling again.
_HASTY = {
    "shared_buffers": "2GB",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "autovacuum": "off",
}

_CUSTOMERS = """
INSERT INTO customers (customer_id, name, first_seen_at, last_seen_at, engagement, risk, risk_state, p_churn,
                       expected_loss, tier, n_purchases, last_purchase_at, currency, search)
SELECT 'c' || n, t.name, $3::timestamptz - interval '360 days',
       $3::timestamptz - make_interval(secs => (n * 7919) % 31104000), $4, $5,
       (ARRAY['active','active','active','at_risk','lost'])[1 + n % 5], (n * 31 % 1000) / 1000.0,
       (n * 7919 % 100000) / 10.0, (ARRAY['new','bronze','silver','gold','platinum'])[1 + n / 7 % 5], n % 20,
       $3::timestamptz - make_interval(days => (n % 300)::int), 'CNY',
       t.search || array_to_tsvector(ARRAY['mailto', 'c' || n, 'example', 'com'])
FROM generate_series($1::bigint, $2::bigint) AS n JOIN bench_names t ON t.id = n % $6::bigint
"""
_HANDLES = """
INSERT INTO handles (handle, customer_id, first_seen_at)
SELECT 'mailto:c' || n || '@example.com', 'c' || n, $3::timestamptz - interval '360 days'
FROM generate_series($1::bigint, $2::bigint) AS n
"""
_RISK_DAYS = """
INSERT INTO customer_risk_daily (customer_id, day, p_leave, generation)
SELECT 'c' || n, $3::date - d * 7, ((n * 31 + d * 97) % 1000) / 1000.0, 1
FROM generate_series($1::bigint, $2::bigint) AS n, generate_series(0, 3) AS d
"""
_ORDERS = """
INSERT INTO orders (event_key, customer_id, order_id, kind, amount, currency, occurred_at)
SELECT md5('o' || n)::uuid, 'c' || (1 + n % $4::bigint), 'o' || n, 'placed', 10 + n % 90, 'CNY',
       $3::timestamptz - make_interval(secs => (n * 104729) % 31104000)
FROM generate_series($1::bigint, $2::bigint) AS n
"""
_INTERACTIONS = """
INSERT INTO interactions (occurred_at, event_key, customer_id, source, event_id, type, channel, direction, language,
                          sentiment_label, sentiment_score, received_at, body, event, sentiment, search)
SELECT $3::timestamptz - make_interval(secs => (n * 104729) % $7::bigint), md5(n::text)::uuid,
       'c' || (1 + CASE WHEN n % 100 = 0 THEN n / 100 % $6::bigint ELSE n * 48271 % $4::bigint END),
       'bench', 'e' || n, 'interaction', 'chat', 'inbound', 'zh',
       CASE WHEN n % 4 = 0 THEN 'negative' ELSE 'neutral' END, -0.1, NULL, t.body,
       '{"type": "interaction", "id": "e1", "source": "bench", "channel": "chat", "customer": {"id": "c1"}}',
       '{"label": "neutral", "score": -0.1, "p_negative": 0.3, "p_neutral": 0.6, "p_positive": 0.1}', t.search
FROM generate_series($1::bigint, $2::bigint) AS n JOIN bench_texts t ON t.id = n % $5::bigint
"""


async def fill(connection: Any, n_customers: int, n_interactions: int, n_alerts: int) -> None:
    """Fill the tables, each from where an earlier fill stopped; index texts last, but for the newest."""
    await connection.execute("SET maintenance_work_mem = '1GB'")
    await connection.set_type_codec("tsvector", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes)
    if not await connection.fetchval("SELECT to_regclass('bench_progress') IS NOT NULL"):
        async with connection.transaction():
            await _prepare(connection)
    engagement = encode(
        Engagement(as_of=_END, inbound=WindowCounts(d7=1, d30=3, d90=7), by_channel={"chat": WindowCounts(d90=7)})
    )
    risk = encode(_risk("gold", 99.0))

    async def people(start: int, stop: int) -> None:
        await connection.execute(_CUSTOMERS, start, stop, _END, engagement, risk, _N_NAMES)
        await connection.execute(_HANDLES, start, stop, _END)
        await connection.execute(_RISK_DAYS, start, stop, _END.date())

    async def orders(start: int, stop: int) -> None:
        await connection.execute(_ORDERS, start, stop, _END, n_customers)

    async def interactions(start: int, stop: int, days: int = _DAYS) -> None:
        span_s = days * 86_400
        await connection.execute(_INTERACTIONS, start, stop, _END, n_customers, _N_TEXTS, _N_TALKATIVE, span_s)

    async def newest(start: int, stop: int) -> None:
        await interactions(start, stop, days=10)

    async def raised(start: int, stop: int) -> None:
        await alerts.append(connection, _lives(range(start, stop + 1), n_customers))

    await _steps(connection, "customers", n_customers, _STEP, people)
    await _steps(connection, "orders", n_customers * 2, _STEP, orders)
    await _steps(connection, "interactions", n_interactions - _STEP, _STEP, interactions)
    for name, definition in _LATE_INDEXES.items():
        if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
            await connection.execute(f"CREATE INDEX {name} ON interactions {definition}")
            print(f"  made {name}", flush=True)
    await _steps(connection, "alerts", n_alerts, _ALERT_STEP, raised)
    if await _done(connection, "interactions") < n_interactions:
        await connection.execute("VACUUM ANALYZE")
        # A living index has a list of what is not sorted in yet, which every search reads through.
        await _steps(connection, "interactions", n_interactions, _STEP, newest)
        await connection.execute("CHECKPOINT")


async def _prepare(connection: Any) -> None:
    chance = random.Random(5)
    await connection.execute("CREATE TABLE bench_progress (what text PRIMARY KEY, n bigint NOT NULL)")
    await connection.execute("CREATE TABLE bench_texts (id int PRIMARY KEY, body text, search tsvector)")
    texts = []
    for number in range(_N_TEXTS):
        rare = [*([_RARE] if number % 100 == 0 else []), *([_RAREST] if number == 7 else [])]
        body = "，".join([*chance.choices(_WORDS, k=12), *rare])
        texts.append((number, body, tsvector(text_terms(body))))
    await connection.copy_records_to_table("bench_texts", records=texts)
    await connection.execute("CREATE TABLE bench_names (id int PRIMARY KEY, name text, search tsvector)")
    names = [chance.choice(_SURNAMES) + "".join(chance.choices(_GIVEN, k=2)) for _ in range(_N_NAMES)]
    rows = [(number, name, tsvector(text_terms(name))) for number, name in enumerate(names)]
    await connection.copy_records_to_table("bench_names", records=rows)
    months = {((_END - timedelta(days=d)).year, (_END - timedelta(days=d)).month) for d in range(_DAYS + 1)}
    await projection.create_months(connection, months)
    await connection.execute(f"DROP INDEX {', '.join(_LATE_INDEXES)}")


async def _done(connection: Any, what: str) -> int:
    return int(await connection.fetchval("SELECT coalesce(max(n), 0) FROM bench_progress WHERE what = $1", what))


async def _steps(connection: Any, what: str, n: int, size: int, step: Callable[[int, int], Any]) -> None:
    started = time.perf_counter()
    for start in range(await _done(connection, what) + 1, n + 1, size):
        stop = min(start + size - 1, n)
        async with connection.transaction():
            await step(start, stop)
            await connection.execute(
                "INSERT INTO bench_progress VALUES ($1, $2) ON CONFLICT (what) DO UPDATE SET n = excluded.n", what, stop
            )
        if stop % _STEP == 0:
            print(f"  {stop:,} {what} after {time.perf_counter() - started:.0f} s", flush=True)


def _risk(tier: Tier, expected_loss: float) -> Risk:
    return Risk(
        p_churn=0.7, horizon_days=90, as_of=_END, generation=1, is_prior=True, tier=tier, expected_loss=expected_loss
    )


def _lives(numbers: range, n_customers: int) -> list[alerts.Step]:
    """Return alerts with what people did about them: one in four stays open, one in eight is in work."""
    steps: list[alerts.Step] = []
    for number in numbers:
        at = _END - timedelta(seconds=number * 101 % (_DAYS * 86_400))
        body = AlertBody(
            severity=_SEVERITIES[number % 4 if number % 50 else 3],
            cause="quality",
            p_cause=0.8,
            signals=[],
            summary_en="may leave",
            summary_zh="可能流失",
            risk=_risk(_TIERS[number // 4 % 5], number * 37 % 10_000 / 10),
        )
        record = AlertRaised(
            alert_id=f"al_{number}",
            customer_id=f"c{1 + number * 7 % n_customers}",
            at=at,
            revision=1,
            rules_version=1,
            body=body,
        )
        events = decide_record(None, record)
        alert = replay(events)
        assert alert is not None
        steps.append((alert, events[0]))
        for command in _commands(number):
            alert = _commanded(steps, alert, command, at + timedelta(hours=2))
    return steps


def _commands(number: int) -> Sequence[Command]:
    if number % 4 == 0:
        return ()
    taken = (Assign(f"agent-{number % 20}"), Acknowledge())
    return taken if number % 8 == 1 else (*taken, Resolve("saved"))


def _commanded(steps: list[alerts.Step], alert: Alert, command: Command, at: datetime) -> Alert:
    for event in decide(alert, command, "bench", at):
        alert = fold(alert, event)
        steps.append((alert, event))
    return alert


class Asker:
    """One client of the API that keeps its connection."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}

    def ms(self, path: str, *, is_stream: bool = False) -> float:
        """Return how long the answer took; of a stream, how long its first bytes took."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read(1_000) if is_stream else answer.read()
        took_ms = (time.perf_counter() - started) * 1_000
        if is_stream:
            self._connection.close()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:500]!r}")
        return took_ms


def _reads(n_customers: int) -> dict[str, Callable[[], str]]:
    chance = random.Random(1)
    who = ("王", "李秀", "张志文", "example")

    def someone() -> str:
        return f"c{chance.randrange(1 + _N_TALKATIVE, n_customers)}"

    def talkative() -> str:
        return f"c{chance.randrange(1, 1 + _N_TALKATIVE)}"

    def asked(path: str, **query: object) -> Callable[[], str]:
        return lambda: f"{path}?{urlencode(query, doseq=True)}"

    def days_ago(days: int) -> str:
        return (_END - timedelta(days=days)).isoformat()

    return {
        "customer view": lambda: f"/v1/customers/{someone()}",
        "customer view, a thousand events": lambda: f"/v1/customers/{talkative()}",
        "timeline, filtered": lambda: f"/v1/customers/{talkative()}/timeline?channel=chat&type=interaction&limit=50",
        "timeline, back to half a year ago": lambda: (
            f"/v1/customers/{talkative()}/timeline?{urlencode({'until': days_ago(180)})}"
        ),
        "alert list, open": asked("/v1/alerts", status="open"),
        "alert list, gold and critical": asked("/v1/alerts", tier="gold", severity="critical"),
        "alert list, somebody's": asked("/v1/alerts", assignee="agent-1", status="acknowledged"),
        "alert list, nothing matches": asked("/v1/alerts", cause="price", tier="gold", status="open"),
        "at-risk list": asked("/v1/customers/at-risk"),
        "at-risk list, gold, over .99": asked("/v1/customers/at-risk", tier="gold", min_p_churn=0.99),
        "at-risk list, nothing matches": asked("/v1/customers/at-risk", min_p_churn=0.9995),
        "newest customers": asked("/v1/customers"),
        "customers, gold, silent 300 days": asked("/v1/customers", tier="gold", silent_for_days=300),
        "customers, nothing matches": asked("/v1/customers", min_p_churn=0.9995),
        "search, two characters, 1 % of texts": asked("/v1/customers", q=_RARE),
        "search, two characters, .1 %": asked("/v1/customers", q=_RAREST),
        "search, two characters, most texts": asked("/v1/customers", q="物流"),
        "search, two characters, no text": asked("/v1/customers", q="流慢"),
        "search, four characters, no text": asked("/v1/customers", q="物流太慢"),
        "search, names": lambda: f"/v1/customers?{urlencode({'q': chance.choice(who)})}",
        "search by id": lambda: f"/v1/customers?q={someone()}",
        "risk history": lambda: f"/v1/customers/{someone()}/risk-history",
        "export, its first bytes": asked("/v1/customers/export"),
        "export of a rare filter, first bytes": asked("/v1/customers/export", tier="gold", min_p_churn=0.999),
        "threshold preview, 30 days": asked(
            "/v1/alerts/threshold-preview", threshold=0.9, days=30, until=_END.date().isoformat()
        ),
        "whether acting helped, a year": asked("/v1/kpis/outcome", **{"from": days_ago(365), "to": _END.isoformat()}),
        "customers kept, twelve months": asked("/v1/kpis/retention", as_of=_END.isoformat()),
        "causes over a year": asked("/v1/alerts/causes", since=days_ago(365), until=_END.isoformat(), by="month"),
    }


def measure(port: int, key: str, n_customers: int, n_requests: int) -> None:
    asker = Asker(port, key)
    for name, path in _reads(n_customers).items():
        delays: list[float] = []
        # A new connection reads the catalogue of every partition first; that is not counted.
        for _ in range(_N_WARM):
            asker.ms(path(), is_stream="export" in name)
        started = time.perf_counter()
        # A slow read shows within seconds that it is slow.
        while len(delays) < n_requests and (time.perf_counter() - started < 5 or len(delays) < 5):
            delays.append(asker.ms(path(), is_stream="export" in name))
        delays.sort()
        print(
            f"{name:38} p50 {delays[len(delays) // 2]:8.1f} ms   p99 {delays[len(delays) * 99 // 100]:8.1f} ms"
            f"   worst {delays[-1]:8.1f} ms   of {len(delays)}",
            flush=True,
        )


class Explained:
    """A connection that keeps the plan of every statement it runs."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.plans: list[str] = []

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        await self._explain(statement, arguments)
        return list(await self._connection.fetch(statement, *arguments))

    async def fetchrow(self, statement: str, *arguments: Any) -> Any:
        await self._explain(statement, arguments)
        return await self._connection.fetchrow(statement, *arguments)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        await self._explain(statement, arguments)
        return await self._connection.fetchval(statement, *arguments)

    async def _explain(self, statement: str, arguments: Sequence[Any]) -> None:
        plan = await self._connection.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, SUMMARY ON) {statement}", *arguments
        )
        self.plans.append("\n".join(row[0] for row in plan))


async def plans(database_url: str, options: argparse.Namespace) -> str:
    """Return the plans of the reads that decide, of the statements the API really sends, as a page."""
    connection = await open_connection(database_url)
    someone = f"c{options.customers // 2}"
    reads: dict[str, Callable[[Any], Awaitable[object]]] = {
        "A customer's view": lambda asked: customers.load(asked, someone, sees_held_out=True),
        "A customer of a thousand events: the first page of his timeline": lambda asked: customers.timeline(
            asked, "c7", limit=51
        ),
        "Alerts, open, the first page": lambda asked: alerts.search(asked, statuses=["open"], limit=51),
        "Alerts, gold and critical": lambda asked: alerts.search(
            asked, tiers=["gold"], severities=["critical"], limit=51
        ),
        "Customers at risk": lambda asked: customers.at_risk(
            asked, after=None, limit=51, sees_held_out=True, has_held_out=False
        ),
        "How many of them are held out": customers.n_held_out_at_risk,
        "Search for two Chinese characters that are in one text of a thousand": lambda asked: customers.find(
            asked, _RAREST, 50, sees_held_out=True
        ),
        "Search for two Chinese characters that are in most texts": lambda asked: customers.find(
            asked, "物流", 50, sees_held_out=True
        ),
    }
    page = (
        "# Plans of the reads that decide\n\nWritten by `python -m bench.api_scale --plans`, with "
        f"{options.customers:,} customers, {options.interactions:,} interactions in months and {options.alerts:,} "
        "alerts, on an embedded PostgreSQL of default settings. The statements are those that the API sends.\n"
    )
    for name, read in reads.items():
        asked = Explained(connection)
        await read(asked)
        page += f"\n## {name}\n" + "".join(f"\n```\n{plan}\n```\n" for plan in asked.plans)
    await connection.close()
    return page


async def filled(database_url: str, options: argparse.Namespace) -> None:
    connection = await open_connection(database_url)
    started = time.perf_counter()
    await fill(connection, options.customers, options.interactions, options.alerts)
    size = await connection.fetchval("SELECT pg_size_pretty(pg_database_size(current_database()))")
    print(f"filled in {time.perf_counter() - started:.0f} s, {size}", flush=True)
    await connection.close()


def run(folder: Path, options: argparse.Namespace) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    password = "bench"
    with EmbeddedPostgres(folder / "data", password=password, settings=_HASTY) as server:
        upgrade(server.url())
        asyncio.run(filled(server.url(), options))
    if options.fill:
        return
    with EmbeddedPostgres(folder / "data", password=password) as server:
        key = asyncio.run(create_admin_key(server.url()))
        port = free_port()
        api = start_api(server.url(), folder, port)
        try:
            wait_for(port)
            measure(port, key, options.customers, options.requests)
            if options.plans:
                options.plans.write_text(asyncio.run(plans(server.url(), options)), encoding="utf-8")
        finally:
            api.terminate()
            api.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the database is kept; else it is removed")
    parser.add_argument("--fill", action="store_true", help="only fill it")
    parser.add_argument("--plans", type=Path, help="where to write the plans")
    options = parser.parse_args()
    # Whoever ends it early finds the server stopped in good order, and may go on later.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.folder is not None:
        run(options.folder.absolute(), options)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options)


if __name__ == "__main__":
    main()
