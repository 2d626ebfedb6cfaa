"""Panels as HTML and SVG: tiles, bars, rows and charts of Prometheus's answers, coloured by a panel's thresholds."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.grafana.panel import Panel

Span = tuple[float, float]

STYLE = """body{font:13px "Noto Sans CJK SC",sans-serif;background:#f4f5f5;margin:0;width:1360px;position:relative;
    color:#24292e} section{position:absolute;background:#fff;border:1px solid #d8d9da;border-radius:3px;
    padding:6px 8px;box-sizing:border-box;overflow:hidden} h1{font-size:18px;margin:0;padding:12px}
    h2{position:absolute;left:8px;font-size:14px;margin:6px 0} h3{font-size:13px;margin:0 0 4px}
    .tiles{display:flex;flex-wrap:wrap;align-items:flex-start;gap:2px 22px} .tile small{display:block;color:#555}
    .legend{font-size:11px;color:#555;line-height:15px;height:30px;overflow:hidden;padding-left:56px}
    .legend span{margin-right:12px;white-space:nowrap} i{display:inline-block;width:10px;height:3px;margin:0 4px 3px 0}
    .bar{display:grid;grid-template-columns:130px 1fr 76px;gap:8px;align-items:center;margin:5px 0;font-size:12px}
    .bar div{background:#eceded;height:14px} .bar b{display:block;height:14px} .bar em{font-style:normal;
    text-align:right} table{border-collapse:collapse;font-size:12px;width:100%} td{padding:4px 6px;
    border-bottom:1px solid #eceded} td:last-child{text-align:right} text{font-size:10px;fill:#777}"""
_COLOURS = (
    *("#3274d9", "#56a64b", "#e0b400", "#e02f44", "#a352cc", "#ff780a"),
    *("#37872d", "#8f3bb8", "#1f60c4", "#fa6400", "#19730e", "#c4162a"),
)
_NAMED = {"green": "#37872d", "yellow": "#c69b06", "orange": "#ff780a", "red": "#e02f44", "blue": "#1f60c4"}
_LEFT, _BELOW = 56, 18
_LEGEND_PX = 34


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its name and (seconds since 1970, value), in time's order and never empty."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        return self.points[-1][1]


def tiles(panel: Panel, lines: Sequence[Line], width: int, height: int, span: Span) -> str:
    """Return the last value of each series, a lone one with its course below."""
    size = 34 if len(lines) == 1 else 24
    shown = "".join(
        f'<div class="tile"><small>{html.escape(line.name) or "&nbsp;"}</small>'
        f'<b style="font-size:{size}px;color:{_colour(panel, line.last)}">{number(line.last, panel)}</b></div>'
        for line in lines[:9]
    )
    below = ""
    if len(lines) == 1 and height > 90:
        room = height - 70
        path = _path(lines[0], width, room, span, (min(0.0, *_values(lines)), max(_values(lines)) or 1.0))
        colour = _colour(panel, lines[0].last)
        below = f'<svg width="{width}" height="{room + 2}"><polyline points="{path}" fill="none" stroke="{colour}" '
        below += 'stroke-width="1.5" opacity=".6"/></svg>'
    return f'<div class="tiles">{shown}</div>{below}'


def bars(panel: Panel, lines: Sequence[Line], _width: int, height: int, _span: Span) -> str:
    most = panel.most or max([line.last for line in lines], default=1.0) or 1.0
    return "".join(
        f'<div class="bar"><span>{html.escape(line.name)}</span><div><b style="width:{100 * line.last / most:.0f}%;'
        f'background:{_colour(panel, line.last)}"></b></div><em>{number(line.last, panel)}</em></div>'
        for line in sorted(lines, key=lambda line: -line.last)[: max(1, height // 24)]
    )


def rows(panel: Panel, lines: Sequence[Line], _width: int, height: int, _span: Span) -> str:
    cells = (f"<tr><td>{html.escape(line.name)}</td><td>{number(line.last, panel)}</td></tr>" for line in lines)
    return f"<table>{''.join(list(cells)[: max(1, height // 25)])}</table>"


def chart(panel: Panel, lines: Sequence[Line], width: int, height: int, span: Span) -> str:
    """Return lines, or areas on top of each other, over the whole span, with the thresholds that are near."""
    if not lines:
        return ""
    height -= _LEGEND_PX
    lines = lines[: len(_COLOURS)]
    drawn = _stacked(lines) if panel.is_stacked else list(lines)
    least, most = _scale(min(0.0, *_values(drawn)), max(_values(drawn)))
    room = (width - _LEFT, height - _BELOW)
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = 6 + (1 - share) * (room[1] - 6)
        parts.append(f'<line x1="0" x2="{room[0]}" y1="{y:.0f}" y2="{y:.0f}" stroke="#eceded"/>')
        if share in (0.0, 0.5, 1.0):
            label = number(least + share * (most - least), panel, is_scale=True)
            parts.append(f'<text x="-5" y="{y + 4:.0f}" text-anchor="end">{label}</text>')
    for share in (0.0, 0.25, 0.5, 0.75):
        at = datetime.fromtimestamp(span[0] + share * (span[1] - span[0]), UTC)
        parts.append(f'<text x="{share * room[0]:.0f}" y="{height - 4}">{at:%H:%M:%S}</text>')
    for step in panel.steps:
        if least < step.value <= most:
            y = 6 + (1 - (step.value - least) / (most - least)) * (room[1] - 6)
            colour = _NAMED[step.colour]
            parts.append(
                f'<line x1="0" x2="{room[0]}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-dasharray="5 4"/>'
            )
    for index in reversed(range(len(drawn))):
        colour, path = _COLOURS[index], _path(drawn[index], *room, span, (least, most))
        if panel.is_stacked:
            first, last = path.split(" ")[0].split(",")[0], path.split(" ")[-1].split(",")[0]
            area = f"{first},{room[1]} {path} {last},{room[1]}"
            parts.append(
                f'<polygon points="{area}" fill="#fff"/><polygon points="{area}" fill="{colour}" opacity=".5"/>'
            )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    legend = "".join(
        f'<span><i style="background:{_COLOURS[index]}"></i>{html.escape(line.name)}</span>'
        for index, line in enumerate(lines)
        if line.name
    )
    return (
        f'<svg width="{width}" height="{height}"><g transform="translate({_LEFT},0)">{"".join(parts)}</g></svg>'
        f'<div class="legend">{legend}</div>'
    )


def number(value: float, panel: Panel, *, is_scale: bool = False) -> str:
    """Return the value as Grafana would write it in the panel's unit."""
    if panel.unit == "percentunit":
        return f"{100 * value:.{1 if panel.decimals is None or is_scale else panel.decimals}f} %"
    if panel.unit == "s":
        return _duration(value)
    if panel.unit in ("bytes", "Bps"):
        return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB")) + ("/s" if panel.unit == "Bps" else "")
    if panel.decimals is not None and not is_scale:
        value = round(value, panel.decimals)
    return _scaled(value, 1000, ("", "k", "M", "G")) + {"ops": "/s", "reqps": "/s"}.get(panel.unit, "")


def _scaled(value: float, base: float, names: Sequence[str]) -> str:
    power = min(len(names) - 1, int(math.log(abs(value), base))) if abs(value) >= 1 else 0
    return f"{value / base**power:.3g} {names[power]}".strip()


def _duration(value: float) -> str:
    for size, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    return "0" if value == 0 else f"{1e3 * value:.3g} ms"


def _colour(panel: Panel, value: float) -> str:
    reached = [step.colour for step in panel.steps if value >= step.value]
    return _NAMED[reached[-1] if reached else panel.below if panel.steps else "blue"]


def _values(lines: Sequence[Line]) -> list[float]:
    return [value for line in lines for _, value in line.points]


def _scale(least: float, most: float) -> Span:
    """Return the ends of an axis with round numbers at both."""
    span = (most - least) or 1.0
    step = 10 ** math.floor(math.log10(span))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2) if span / (step * factor) <= 10)
    return math.floor(least / step) * step, (math.ceil(most / step) * step) or step


def _stacked(lines: Sequence[Line]) -> list[Line]:
    """Return each line on top of those before it; where one says nothing it adds nothing."""
    total: dict[float, float] = dict.fromkeys((at for line in lines for at, _ in line.points), 0.0)
    stacked = []
    for line in lines:
        for at, value in line.points:
            total[at] += value
        stacked.append(Line(line.name, sorted(total.items())))
    return stacked


def _path(line: Line, width: int, height: int, span: Span, scale: Span) -> str:
    return " ".join(
        f"{(at - span[0]) / (span[1] - span[0]) * width:.1f},"
        f"{6 + (1 - (value - scale[0]) / (scale[1] - scale[0])) * (height - 6):.1f}"
        for at, value in line.points
    )
