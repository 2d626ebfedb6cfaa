"""Pictures of the dashboards' data: what a real Prometheus answered, drawn by Chromium. Not Grafana's own drawing.

    python -m tests.watching.pictures ANSWERS docs/images

ANSWERS is the file that a run of tests/watching leaves in its folder (`answers.json`).
"""

import asyncio
import base64
import html
import json
import math
import sys
from pathlib import Path
from typing import Any

from deploy.grafana.dashboards import DASHBOARDS
from deploy.grafana.panel import Dashboard, Language, Panel
from tests.contract.deploy.test_dashboards import runnable
from tests.watching.prometheus import Prometheus

Answers = dict[str, list[dict[str, Any]]]
_COLOURS = (
    "#3274d9",
    "#56a64b",
    "#e0b400",
    "#e02f44",
    "#a352cc",
    "#ff780a",
    "#37872d",
    "#8f3bb8",
    "#1f60c4",
    "#fa6400",
)
_COLUMN_PX, _ROW_PX = 56, 30
_UNITS = {"s": " s", "ops": "/s", "reqps": "/s", "Bps": " B/s", "bytes": " B"}


def ask(prometheus: Prometheus, start: float, end: float) -> Answers:
    """Return the answers of every query over a stretch of time, some 200 points each."""
    step = max(1.0, (end - start) / 200)
    expressions = {query.expression for dashboard in DASHBOARDS for one in dashboard.panels for query in one.queries}
    return {expression: prometheus.range(runnable(expression), start, end, step) for expression in sorted(expressions)}


def page(dashboard: Dashboard, answers: Answers, language: Language) -> str:
    """Return the dashboard as one HTML page without scripts."""
    parts, y = [], 50
    for row in dashboard.rows:
        parts.append(f'<h2 style="top:{y}px">{html.escape(row.title.of(language))}</h2>')
        y, x, height = y + 34, 0, 0
        for panel in row.panels:
            if x + panel.width > 24:
                x, y, height = 0, y + height * _ROW_PX, 0
            place = f"left:{x * _COLUMN_PX + 8}px;top:{y}px;width:{panel.width * _COLUMN_PX - 8}px"
            drawn = _panel(panel, answers, language)
            parts.append(f'<section style="{place};height:{panel.height * _ROW_PX - 8}px">{drawn}</section>')
            x, height = x + panel.width, max(height, panel.height)
        y += height * _ROW_PX
    style = """body{font:13px "Noto Sans CJK SC",sans-serif;background:#f4f5f5;margin:0;width:1360px;position:relative}
        section{position:absolute;background:#fff;border:1px solid #d8d9da;border-radius:3px;padding:6px 8px;
        box-sizing:border-box;overflow:hidden} h1{font-size:18px;margin:0;padding:12px} h2{position:absolute;left:8px;
        font-size:14px;margin:6px 0} h3{font-size:13px;margin:0 0 4px} .big{font-size:22px;color:#37872d}
        .legend{font-size:11px;color:#555} i{display:inline-block;width:9px;height:3px;margin:0 4px 3px 10px}"""
    title = html.escape(dashboard.title.of(language))
    return (
        f'<meta charset="utf-8"><style>{style}</style><body style="height:{y + 8}px"><h1>{title}</h1>{"".join(parts)}'
    )


def _panel(panel: Panel, answers: Answers, language: Language) -> str:
    lines = []
    for query in panel.queries:
        legend = query.legend if isinstance(query.legend, str) else query.legend.of(language)
        for series in answers[query.expression]:
            points = [(float(at), float(value)) for at, value in series["values"] if not math.isnan(float(value))]
            if points:
                lines.append((_named(legend, series["metric"]), points))
    title = f"<h3>{html.escape(panel.title.of(language))}</h3>"
    if panel.kind != "timeseries":
        shown = [
            f'{html.escape(name)} <span class="big">{_number(points[-1][1], panel.unit)}</span>'
            for name, points in lines
        ]
        return title + "<br>".join(shown[:7])
    return title + _chart(lines, panel)


def _chart(lines: list[tuple[str, list[tuple[float, float]]]], panel: Panel) -> str:
    width, height = panel.width * _COLUMN_PX - 30, panel.height * _ROW_PX - 75
    if not lines:
        return ""
    ats, values = zip(*(point for _, points in lines for point in points), strict=True)
    first, last, least, most = min(ats), max(ats), min(0.0, *values), max(values)
    span, rise = (last - first) or 1.0, (most - least) or 1.0
    drawn = []
    for number, (_, points) in enumerate(lines[:10]):
        path = " ".join(
            f"{50 + (at - first) / span * (width - 55):.1f},{height - (value - least) / rise * (height - 8):.1f}"
            for at, value in points
        )
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS[number]}" stroke-width="1.5"/>')
    scale = "".join(
        f'<text x="46" y="{height - share * (height - 12):.0f}" font-size="10" text-anchor="end" fill="#777">'
        f"{_number(least + share * rise, panel.unit)}</text>"
        for share in (0.0, 0.5, 1.0)
    )
    legend = "".join(
        f'<i style="background:{_COLOURS[number]}"></i>{html.escape(name)}'
        for number, (name, _) in enumerate(lines[:8])
    )
    return f'<svg width="{width}" height="{height + 4}">{scale}{"".join(drawn)}</svg><div class="legend">{legend}</div>'


def _named(legend: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend or ", ".join(value for name, value in labels.items() if name not in ("__name__", "instance", "job"))


def _number(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.2f}{letter}{_UNITS.get(unit, '')}"
    return f"{value:.3g}{_UNITS.get(unit, '')}"


async def draw(answers: Answers, folder: Path) -> None:
    """Write one picture a dashboard, the overview in Chinese too."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for dashboard in DASHBOARDS:
            languages: tuple[Language, ...] = ("en", "zh") if dashboard.name == "overview" else ("en",)
            for language in languages:
                shown = await browser.new_page(viewport={"width": 1360, "height": 800})
                await shown.set_content(page(dashboard, answers, language))
                height = await shown.evaluate("document.body.offsetHeight")
                session = await shown.context.new_cdp_session(shown)
                clip = {"x": 0, "y": 0, "width": 1360, "height": height, "scale": 1}
                picture = await session.send(
                    "Page.captureScreenshot",
                    {"format": "webp", "quality": 70, "clip": clip, "captureBeyondViewport": True},
                )
                path = folder / f"dashboard-{dashboard.name}-{language}.webp"
                path.write_bytes(base64.b64decode(picture["data"]))
                await shown.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])))
