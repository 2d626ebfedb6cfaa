"""How reads hold up with full tables: customer view, alert list, Chinese search, previews, with their plans.

    python -m bench.api_scale [--customers 1000000] [--interactions 10000000] [--alerts 100000] [--requests 200]
                              [--plans docs/plans.md]

Fills a temporary embedded PostgreSQL by INSERT … SELECT, asks through the API's own stores over one connection, and
reports p50 and p99 of each read in milliseconds. Everything is removed at the end.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.api.alert import store as alerts
from services.api.alert.decide import decide_record, replay
from services.api.customer import store as customers
from services.api.interaction.search import as_tsquery, query_terms, text_terms, tsvector
from services.api.projection import store as projection
from services.api.risk import store as risks
from shared.contracts.alert import AlertBody, AlertRaised, Risk
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from shared.postgres.pool import open_connection

_END = datetime(2026, 6, 1, tzinfo=UTC)
_DAYS = 360
_STEP = 200_000
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
_RARE = "退款"

_CUSTOMERS = """
INSERT INTO customers (customer_id, name, first_seen_at, last_seen_at, risk_state, p_churn, expected_loss, tier,
                       n_purchases, last_purchase_at, currency, search)
SELECT 'c' || n, '客户' || n, $3::timestamptz - interval '360 days',
       $3::timestamptz - make_interval(secs => (n * 7919) % 31104000), 'active', (n * 31 % 1000) / 1000.0,
       (n * 37 % 100000) / 10.0, (ARRAY['new','bronze','silver','gold','platinum'])[1 + n % 5], n % 20,
       $3::timestamptz - make_interval(days => n % 300), 'CNY', array_to_tsvector(ARRAY['客户' || n, 'c' || n])
FROM generate_series($1::int, $2::int) AS n
"""
_RISK_DAYS = """
INSERT INTO customer_risk_daily (customer_id, day, p_leave, generation)
SELECT 'c' || n, $3::date - d * 7, ((n * 31 + d * 97) % 1000) / 1000.0, 1
FROM generate_series($1::int, $2::int) AS n, generate_series(0, 3) AS d
"""
_INTERACTIONS = """
INSERT INTO interactions (occurred_at, event_key, customer_id, source, event_id, type, channel, direction, language,
                          sentiment_label, sentiment_score, received_at, body, event, search)
SELECT $3::timestamptz - make_interval(secs => (n::bigint * 104729) % 31104000), md5(n::text)::uuid,
       'c' || (n::bigint * 48271 % $4::int), 'bench', 'e' || n, 'interaction', 'chat', 'inbound', 'zh',
       CASE WHEN n % 4 = 0 THEN 'negative' ELSE 'neutral' END, -0.1, NULL, t.body, '{"type": "interaction"}', t.search
FROM generate_series($1::int, $2::int) AS n
JOIN bench_texts t ON t.id = n % (SELECT count(*) FROM bench_texts)
"""


async def fill(connection: Any, n_customers: int, n_interactions: int, n_alerts: int) -> None:
    await connection.execute("SET synchronous_commit = off")
    await connection.set_type_codec("tsvector", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes)
    chance = random.Random(5)
    await connection.execute("CREATE TABLE bench_texts (id int PRIMARY KEY, body text, search tsvector)")
    texts = []
    for number in range(1_000):
        words = [*chance.choices(_WORDS, k=12), *([_RARE] if number % 100 == 0 else [])]
        texts.append((number, "，".join(words), tsvector(text_terms("，".join(words)))))
    await connection.copy_records_to_table("bench_texts", records=texts)
    months = {((_END - timedelta(days=d)).year, (_END - timedelta(days=d)).month) for d in range(_DAYS + 1)}
    await projection.create_months(connection, months)
    for start in range(1, n_customers + 1, _STEP):
        stop = min(start + _STEP - 1, n_customers)
        await connection.execute(_CUSTOMERS, start, stop, _END)
        await connection.execute(_RISK_DAYS, start, stop, _END.date())
    started = time.perf_counter()
    for start in range(1, n_interactions + 1, _STEP):
        await connection.execute(_INTERACTIONS, start, min(start + _STEP - 1, n_interactions), _END, n_customers)
        print(f"  {start + _STEP - 1:,} interactions in {time.perf_counter() - started:.0f} s", flush=True)
    for start in range(0, n_alerts, 2_000):
        await _append_alerts(connection, start, min(start + 2_000, n_alerts), n_customers)
    await connection.execute("DROP TABLE bench_texts")
    await connection.execute("VACUUM ANALYZE")


async def _append_alerts(connection: Any, start: int, stop: int, n_customers: int) -> None:
    risk = Risk(p_churn=0.7, horizon_days=90, as_of=_END, generation=1, is_prior=True, tier="gold", expected_loss=99.0)
    body = AlertBody(
        severity="high",
        cause="quality",
        p_cause=0.8,
        signals=[],
        summary_en="may leave",
        summary_zh="可能流失",
        risk=risk,
    )
    steps: list[alerts.Step] = []
    for number in range(start, stop):
        at = _END - timedelta(seconds=number * 101 % (_DAYS * 86_400))
        record = AlertRaised(
            alert_id=f"al_{number}",
            customer_id=f"c{number * 7 % n_customers}",
            at=at,
            revision=1,
            rules_version=1,
            body=body,
        )
        events = decide_record(None, record)
        if (alert := replay(events)) is not None:
            steps.append((alert, events[0]))
    async with connection.transaction():
        await alerts.append(connection, steps)


async def measure(connection: Any, n_customers: int, n_requests: int) -> None:
    chance = random.Random(1)

    def someone() -> str:
        return f"c{chance.randrange(1, n_customers)}"

    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "customer view": lambda: customers.load(connection, someone()),
        "timeline, one page": lambda: customers.timeline(connection, someone(), limit=51),
        "alert list, open, first page": lambda: alerts.search(connection, statuses=["open"], limit=51),
        "alert list, gold and critical": lambda: alerts.search(
            connection, tiers=["gold"], severities=["critical"], limit=51
        ),
        "at-risk list": lambda: customers.at_risk(connection, after=None, limit=51),
        "newest customers": lambda: customers.newest(connection, before=None, limit=51),
        "search, two characters, rare": lambda: customers.find(connection, _RARE, 50),
        "search, two characters, frequent": lambda: customers.find(connection, "物流", 50),
        "search by id": lambda: customers.find(connection, someone(), 50),
        "risk history": lambda: risks.history(connection, [someone()], None, None),
    }
    rare_reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "threshold preview, 30 days": lambda: risks.preview(connection, 0.9, 30, _END.date()),
        "causes over a year": lambda: alerts.causes_over_time(connection, _END - timedelta(days=365), _END, "month"),
    }
    for name, read in (reads | rare_reads).items():
        delays = []
        for _ in range(5 if name in rare_reads else n_requests):
            started = time.perf_counter()
            await read()
            delays.append((time.perf_counter() - started) * 1_000)
        delays.sort()
        p99 = delays[min(len(delays) - 1, len(delays) * 99 // 100)]
        print(f"{name:34} p50 {delays[len(delays) // 2]:8.1f} ms   p99 {p99:8.1f} ms", flush=True)


async def plans(connection: Any) -> str:
    """Return the plans of the reads that decide, as a page."""
    literal = as_tsquery(query_terms(_RARE)).replace("'", "''")
    asked = {
        "Alert list, first page of open ones": (
            "SELECT state, customer_id FROM alerts WHERE NOT is_historical AND status = ANY('{open}') "
            "ORDER BY raised_at DESC, alert_id DESC LIMIT 51"
        ),
        "A customer's timeline": (
            "SELECT event_id FROM interactions WHERE customer_id = 'c4711' "
            "ORDER BY occurred_at DESC, event_key DESC LIMIT 51"
        ),
        "Two Chinese characters": (
            f"SELECT customer_id FROM interactions WHERE search @@ '{literal}'::tsquery LIMIT 1000"
        ),
        "At-risk list": (
            "SELECT customer_id FROM customers WHERE expected_loss IS NOT NULL AND merged_into IS NULL "
            "AND risk_state IN ('active', 'at_risk') ORDER BY expected_loss DESC, customer_id LIMIT 51"
        ),
    }
    page = "# Plans of the reads that decide\n\nMade by `python -m bench.api_scale --plans`.\n"
    for name, statement in asked.items():
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {statement}")
        page += f"\n## {name}\n\n```\n" + "\n".join(row[0] for row in rows) + "\n```\n"
    return page


async def run(database_url: str, options: argparse.Namespace) -> str:
    connection = await open_connection(database_url)
    started = time.perf_counter()
    await fill(connection, options.customers, options.interactions, options.alerts)
    size = await connection.fetchval("SELECT pg_size_pretty(pg_database_size(current_database()))")
    print(f"filled in {time.perf_counter() - started:.0f} s, {size}")
    await measure(connection, options.customers, options.requests)
    page = await plans(connection)
    await connection.close()
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--plans", help="where to write the plans")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "data")
        server.start()
        try:
            upgrade(server.url())
            page = asyncio.run(run(server.url(), options))
            if options.plans:
                Path(options.plans).write_text(page, encoding="utf-8")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
