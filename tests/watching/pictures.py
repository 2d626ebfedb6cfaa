"""Pictures of the dashboards' data: what a real Prometheus answered, drawn by Chromium. Not Grafana's own drawing.

    python -m tests.watching.pictures docs/images [--seconds 240]

Starts everything, lets messages come in for so long, hangs the sentiment process for twenty seconds of it, and draws.
"""

import argparse
import asyncio
import base64
import html
import math
import re
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy.grafana.dashboards import DASHBOARDS
from deploy.grafana.panel import Dashboard, Language, Panel
from deploy.prometheus.timing import IN_EARNEST
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.postgres import EmbeddedPostgres
from shared.postgres.migrate import upgrade
from tests.e2e.system import eventually
from tests.watching.drawing import STYLE, Line, bars, chart, rows, tiles
from tests.watching.prometheus import Prometheus
from tests.watching.watched import Receiver, Traffic, Watched, first_open_alert

Answers = dict[str, list[dict[str, Any]]]
_COLUMN_PX, _ROW_PX = 56, 28
_HANG_S = 20


def runnable(expression: str) -> str:
    """Return the query with every variable at "all", and rates over the shortest time that has a few scrapes."""
    return re.sub(r"\$(connection|processor)", ".*", expression.replace("$__rate_interval", "15s"))


def ask(prometheus: Prometheus, start: float, end: float) -> Answers:
    """Return the answers of every query over a stretch of time, some 200 points each."""
    step = max(1.0, (end - start) / 200)
    expressions = {query.expression for dashboard in DASHBOARDS for one in dashboard.panels for query in one.queries}
    return {expression: prometheus.range(runnable(expression), start, end, step) for expression in sorted(expressions)}


def page(dashboard: Dashboard, answers: Answers, language: Language, span: tuple[float, float]) -> str:
    """Return the dashboard as one HTML page without scripts."""
    parts, y = [], 50
    for row in dashboard.rows:
        parts.append(f'<h2 style="top:{y}px">{html.escape(row.title.of(language))}</h2>')
        y, x, height = y + 34, 0, 0
        for panel in row.panels:
            if x + panel.width > 24:
                x, y, height = 0, y + height * _ROW_PX, 0
            place = f"left:{x * _COLUMN_PX + 8}px;top:{y}px;width:{panel.width * _COLUMN_PX - 8}px"
            drawn = _panel(panel, answers, language, span)
            parts.append(f'<section style="{place};height:{panel.height * _ROW_PX - 8}px">{drawn}</section>')
            x, height = x + panel.width, max(height, panel.height)
        y += height * _ROW_PX
    title = html.escape(dashboard.title.of(language))
    return (
        f'<meta charset="utf-8"><style>{STYLE}</style><body style="height:{y + 8}px"><h1>{title}</h1>{"".join(parts)}'
    )


def _panel(panel: Panel, answers: Answers, language: Language, span: tuple[float, float]) -> str:
    lines = []
    for query in panel.queries:
        legend = query.legend if isinstance(query.legend, str) else query.legend.of(language)
        for series in answers[query.expression]:
            points = [(float(at), float(value)) for at, value in series["values"] if not math.isnan(float(value))]
            if points:
                lines.append(Line(_named(legend, series["metric"]), points))
    width, height = panel.width * _COLUMN_PX - 26, panel.height * _ROW_PX - 42
    draw = {"stat": tiles, "bargauge": bars, "gauge": bars, "table": rows, "timeseries": chart}[panel.kind]
    return f"<h3>{html.escape(panel.title.of(language))}</h3>{draw(panel, lines, width, height, span)}"


def _named(legend: str, labels: dict[str, str]) -> str:
    shown = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], found[1]), legend)
    if shown:
        return shown
    return ", ".join(value for name, value in labels.items() if name not in ("__name__", "instance", "job"))


async def draw(answers: Answers, folder: Path, span: tuple[float, float]) -> None:
    """Write one picture a dashboard, the overview in Chinese too."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for dashboard in DASHBOARDS:
            languages: tuple[Language, ...] = ("en", "zh") if dashboard.name == "overview" else ("en",)
            for language in languages:
                shown = await browser.new_page(viewport={"width": 1360, "height": 800})
                await shown.set_content(page(dashboard, answers, language, span))
                height = await shown.evaluate("document.body.offsetHeight")
                session = await shown.context.new_cdp_session(shown)
                clip = {"x": 0, "y": 0, "width": 1360, "height": height, "scale": 1}
                picture = await session.send(
                    "Page.captureScreenshot",
                    {"format": "webp", "quality": 80, "clip": clip, "captureBeyondViewport": True},
                )
                path = folder / f"dashboard-{dashboard.name}-{language}.webp"
                path.write_bytes(base64.b64decode(picture["data"]))
                await shown.close()
        await browser.close()


def observe(folder: Path, n_seconds: float) -> tuple[Answers, tuple[float, float]]:
    """Return what Prometheus answers about a system at work, and the stretch of time it is about."""
    with (
        EmbeddedKafka(folder / "kafka") as kafka,
        EmbeddedPostgres(folder / "postgres" / "data") as database,
        Receiver().serving() as receiver,
    ):
        upgrade(database.url())
        # Rules in earnest: nothing is wrong for long enough to fire but what hangs.
        with Watched(kafka.bootstrap, "", database.url(), folder, IN_EARNEST) as watched, Traffic(watched):
            watched.post("/v1/webhooks", {"name": "team", "kind": "webhook", "url": receiver.url}).raise_for_status()
            watched.tell_risks()
            began = time.time()
            alert_id = eventually(lambda: first_open_alert(watched), 90.0)
            watched.post(f"/v1/alerts/{alert_id}/resolve", {"resolution": "handled"}).raise_for_status()
            watched.garbage(3)
            _rest_until(began + n_seconds / 2)
            watched.system.services["sentiment"].send(signal.SIGSTOP)
            _rest_until(began + n_seconds / 2 + _HANG_S)
            watched.system.services["sentiment"].send(signal.SIGCONT)
            _rest_until(began + n_seconds)
            span = (began, time.time())
            return ask(watched.prometheus, *span), span


def _rest_until(at: float) -> None:
    time.sleep(max(0.0, at - time.time()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--seconds", type=float, default=240.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pulseline-pictures-") as folder:
        Path(folder).chmod(0o711)
        answers, span = observe(Path(folder), options.seconds)
    asyncio.run(draw(answers, options.images, span))


if __name__ == "__main__":
    main()
