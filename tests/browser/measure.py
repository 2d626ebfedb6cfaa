"""`python -m tests.browser.measure [part …]`: the console's budgets, measured in Chromium against running services.

Prints, and asserts nothing: times depend on the machine. Needs the embedded Kafka and PostgreSQL, and Chromium.
"""

import asyncio
import gzip
import json
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from playwright.sync_api import Page

from services.api.settings import ApiSettings
from shared.clock import SystemClock
from shared.kafka.topics_admin import ensure_topics
from tests.browser.alone import console_alone
from tests.browser.conftest import Console, outside
from tests.browser.world import World, alert, company, customer_risk, somebody
from tests.e2e.system import System

N_LOADS = 10
N_ARRIVALS = 40
N_ROWS = 5_000
N_CHAINS = 40
# What a service does for the first time takes longer, and happens once.
N_WARM = 5
N_PARTITIONS = 4

_FIRST_ALERT = """() => new Promise((done) => {
    const painted = () => requestAnimationFrame(() => done(performance.now()));
    const look = () => requestAnimationFrame(document.querySelector('[data-alert] .row-why') ? painted : look);
    look();
})"""
_WATCH = """() => {
    window.long = []; window.shift = 0; window.frames = [];
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.long.push(entry.duration)))
        .observe({type: 'longtask'});
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shift += entry.value; }))
        .observe({type: 'layout-shift'});
}"""
_SCROLL = """() => new Promise((done) => {
    const list = document.querySelector('.window');
    let last = performance.now();
    const move = () => {
        const now = performance.now();
        window.frames.push(now - last);
        last = now;
        list.scrollTop += 180;
        if (window.frames.length >= 400) done(); else requestAnimationFrame(move);
    };
    requestAnimationFrame(move);
})"""
_ARRIVED = """(id) => new Promise((done) => {
    const look = () => document.querySelector(`[data-alert="${id}"]`)
        ? requestAnimationFrame(() => done(Date.now())) : requestAnimationFrame(look);
    look();
})"""

_NAMED = """(name) => new Promise((done) => {
    const names = () => [...document.querySelectorAll('[data-alert] .row-name b')].map((one) => one.textContent);
    const look = () => names().includes(name)
        ? requestAnimationFrame(() => done(Date.now())) : requestAnimationFrame(look);
    look();
})"""


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def first_paint(console: Console) -> dict[str, float]:
    """Milliseconds from navigation to the frame after the first alert stands in the list, signed in."""
    context = console.context()
    times, busy = [], []
    for _ in range(N_LOADS):
        page = context.new_page()
        spent = thread_ms(page)
        page.goto(console.url, wait_until="commit")
        times.append(float(page.evaluate(_FIRST_ALERT)))
        busy.append(spent())
        page.close()
    return {
        "median_ms": statistics.median(times),
        "worst_ms": max(times),
        "main_thread_cpu_ms": statistics.median(busy),
    }


def thread_ms(page: Page) -> Callable[[], float]:
    """Return a meter of the CPU time the page's main thread has used: what a busy machine does not stretch."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def read() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    return read


def arrival(console: Console) -> dict[str, float]:
    """Milliseconds from the publishing of an alert's record to its row's frame: projection and stream included."""
    page = console.open()
    page.locator(".connection.live").first.wait_for()
    clock, from_publish, from_append = SystemClock(), [], []
    for number in range(N_ARRIVALS):
        person = somebody(90_000 + number)
        now = clock.now()
        record = alert(person, "high", "price", now, now)
        console.publish("churn.risk", customer_risk(person, now))
        started = clock.now().timestamp() * 1000
        console.publish("churn.alerts", record)
        shown = float(page.evaluate(_ARRIVED, record.alert_id))
        query = "SELECT recorded_at FROM alert_events WHERE alert_id = $1"
        appended = outside(console.api.rows, query, record.alert_id)[0]["recorded_at"].timestamp() * 1000
        from_publish.append(shown - started)
        from_append.append(shown - appended)
    return {
        "from_publish_p50_ms": statistics.median(from_publish),
        "from_publish_p95_ms": quantile(from_publish, 0.95),
        "from_append_p50_ms": statistics.median(from_append),
        "from_append_p95_ms": quantile(from_append, 0.95),
    }


def whole_chain(console: Console) -> dict[str, float]:
    """Milliseconds from posting complaints that alert a customer to the row's frame, every service included."""
    api = console.api
    prefix = "chain-"
    outside(asyncio.run, ensure_topics(api.bootstrap, prefix, N_PARTITIONS, 1))
    settings = {"PULSELINE_API_HOLDOUT_RATIO": "0"}
    with System(api.bootstrap, prefix, api.database_url, api.key, api.folder, N_PARTITIONS, settings) as system:
        own, console.url = console.url, system.services["api"].url
        page = console.open()
        console.url = own
        page.locator(".connection.live").first.wait_for()
        posted, shown = {}, {}
        with system.client() as client:
            for number in range(-N_WARM, N_CHAINS):
                customer = f"chain-{number}"
                complaints = [_complaint(customer, one) for one in range(8)]
                posted[customer] = SystemClock().now().timestamp() * 1000
                client.send(complaints)
                shown[customer] = float(page.evaluate(_NAMED, customer))
        measured = list(posted)[N_WARM:]
        query = """SELECT customer_id, 1000 * min(extract(epoch FROM recorded_at))::float8 AS at
            FROM alert_events WHERE customer_id LIKE 'chain-%' GROUP BY 1"""
        appended = {row["customer_id"]: row["at"] for row in outside(api.rows, query)}
        steps = [posted]
        steps += [outside(asyncio.run, _first_records(api.bootstrap, prefix + topic)) for topic in _ON_THE_WAY]
        steps += [appended, shown]
    times = [shown[one] - posted[one] for one in measured]
    found = {"from_post_p50_ms": statistics.median(times), "from_post_p95_ms": quantile(times, 0.95)}
    for name, before, after in zip(_HOPS, steps, steps[1:], strict=False):
        found[f"{name}_p50_ms"] = statistics.median(after[one] - before[one] for one in measured)
    return found


_ON_THE_WAY = ("interactions", "interactions.enriched", "churn.alerts")
_HOPS = ("hop_ingest", "hop_sentiment", "hop_churn", "hop_projection", "hop_stream_and_drawing")


async def _first_records(bootstrap: str, topic: str) -> dict[str, float]:
    """Return when each key's first record was appended to a topic, in Unix milliseconds."""
    places = [TopicPartition(topic, place) for place in range(N_PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        first: dict[str, float] = {}
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    key = (record.key or b"").decode()
                    first[key] = min(first.get(key, math.inf), record.timestamp)
    finally:
        await consumer.stop()
    return first


def _complaint(customer: str, number: int) -> dict[str, Any]:
    return {
        "type": "interaction", "id": f"{customer}-{number}", "source": "shop", "customer": {"id": customer},
        "occurred_at": SystemClock().now().isoformat(), "channel": "chat", "direction": "inbound",
        "text": "The parcel is late again, terrible.",
    }  # fmt: skip


def long_list(console: Console) -> dict[str, float]:
    """What scrolling by three rows a frame costs: frames, tasks over 50 ms, shifts; then ten arrivals at the top."""
    now = SystemClock().now()
    people = [somebody(100_000 + number) for number in range(N_ROWS)]
    console.publish_world(
        World(
            risks=[customer_risk(person, now) for person in people],
            alerts=[alert(person, "low", "price", now, now) for person in people],
        )
    )
    page = console.open()
    page.locator(f'li[aria-setsize="{N_ROWS}"], li[aria-setsize]').first.wait_for()
    wait_for_all(page)
    page.wait_for_timeout(1_500)
    spent = thread_ms(page)
    page.evaluate(_WATCH)
    before = spent()
    # Little enough is recorded that the recording does not stretch what it shows.
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel"])
    page.evaluate(_SCROLL)
    tasks = main_thread_tasks(browser.stop_tracing())
    busy = spent() - before
    for number in range(10):
        person = somebody(200_000 + number)
        console.publish("churn.alerts", alert(person, "high", "price", SystemClock().now(), now))
    page.wait_for_timeout(1_500)
    frames, long, shift = page.evaluate("() => [window.frames, window.long, window.shift]")
    return {
        "main_thread_cpu_per_frame_ms": busy / len(frames),
        "frame_p50_ms": statistics.median(frames),
        "frame_p99_ms": quantile(frames, 0.99),
        "long_tasks": len(long),
        "longest_task_ms": max(long, default=0.0),
        "longest_task_cpu_ms": max(tasks),
        "layout_shift": shift,
        "rows_in_dom": page.locator(".window li").count(),
    }


def main_thread_tasks(trace: bytes) -> list[float]:
    """Return the CPU milliseconds of each task of the busiest main thread in a Chromium trace of "toplevel"."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[float]] = {thread: [] for thread in mains}
    for one in events:
        thread = (one["pid"], one["tid"])
        if one["name"] == "ThreadControllerImpl::RunTask" and thread in mains:
            tasks[thread].append(one.get("tdur", 0) / 1000)
    return max(tasks.values(), key=sum)


def wait_for_all(page: Page) -> None:
    for _ in range(200):
        if int(page.locator(".window li").first.get_attribute("aria-setsize") or 0) >= N_ROWS:
            return
        page.wait_for_timeout(100)


def weight() -> dict[str, float]:
    """KB of JavaScript, vendored included, gzip -9."""
    folder = Path(str(ApiSettings.model_fields["api_console_dir"].default))
    sizes = [len(gzip.compress(path.read_bytes(), 9)) for path in folder.rglob("*.mjs")]
    return {"javascript_gzip_kb": sum(sizes) / 1024, "files": float(len(sizes))}


def main() -> None:
    parts: dict[str, Callable[[Console], dict[str, float]]] = {
        "first_alert_painted": first_paint,
        "alert_on_screen": arrival,
        "event_on_screen": whole_chain,
        "list_of_5000": long_list,
    }
    parts = {name: part for name, part in parts.items() if name in sys.argv[1:] or len(sys.argv) == 1}
    with console_alone() as console:
        console.publish_world(company(SystemClock().now()))
        found = {"weight": weight()} | {name: part(console) for name, part in parts.items()}
    json.dump({name: {key: round(value, 2) for key, value in part.items()} for name, part in found.items()},
              sys.stdout, indent=2)  # fmt: skip
    print()


if __name__ == "__main__":
    main()
