"""Charts as inline SVG: lines and bars with axes, nothing else. Colours come from the page's style sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """One series; `style` is a CSS class: main, other, or faint. `dots` marks every point."""

    points: Points
    style: str = "main"
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis' range, its name in both languages, and how its ticks read."""

    low: float
    high: float
    label: str = ""
    label_zh: str = ""
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line at x with a short name."""

    x: float
    name: str


def line_chart(title: str, lines: Sequence[Line], x: Axis, y: Axis, marks: Sequence[Mark] = ()) -> str:
    """Return an SVG of the lines; `title` is what a screen reader says."""
    parts = [_grid(x, y)]
    for mark in marks:
        at = _x(mark.x, x)
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="mark-name" x="{at + 4:.1f}" y="{TOP + 11}">{escape(mark.name)}</text>')
    for line in lines:
        path = " ".join(f"{_x(px, x):.1f},{_y(py, y):.1f}" for px, py in line.points)
        parts.append(f'<polyline class="line {line.style}" points="{path}"/>')
        if line.dots:
            parts.extend(
                f'<circle class="dot {line.style}" cx="{_x(px, x):.1f}" cy="{_y(py, y):.1f}" r="4"/>'
                for px, py in line.points
            )
    return _svg(title, parts)


def bar_chart(
    title: str,
    labels: Sequence[str],
    values: Sequence[float],
    y: Axis,
    against: Sequence[float] = (),
) -> str:
    """Return an SVG of bars; `against` draws a second value per bar as a tick, for comparison."""
    n = max(len(values), 1)
    step = (WIDTH - LEFT - RIGHT) / n
    every = max(1, ceil(n / 8))
    parts = [_grid(Axis(0, 1), y, x_ticks=False)]
    for index, value in enumerate(values):
        at, top = LEFT + index * step, _y(value, y)
        name = f"{labels[index]}: {value:g}"
        parts.append(
            f'<rect class="bar" x="{at + step * 0.12:.1f}" y="{top:.1f}" width="{step * 0.76:.1f}" '
            f'height="{HEIGHT - BOTTOM - top:.1f}"><title>{escape(name)}</title></rect>'
        )
        if index % every == 0:
            parts.append(_text(at + step / 2, HEIGHT - BOTTOM + 16, labels[index], "middle"))
    for index, value in enumerate(against):
        at, top = LEFT + index * step, _y(value, y)
        parts.append(f'<line class="against" x1="{at:.1f}" x2="{at + step:.1f}" y1="{top:.1f}" y2="{top:.1f}"/>')
    return _svg(title, parts)


def nice_top(value: float) -> float:
    """Return a round number at or above `value` for the top of an axis."""
    if value <= 0:
        return 1.0
    unit: float = 10 ** floor(log10(value))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * unit >= value)


def _grid(x: Axis, y: Axis, x_ticks: bool = True) -> str:
    parts = []
    for step in range(5):
        share = step / 4
        value = y.low + share * (y.high - y.low)
        at = _y(value, y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(_text(LEFT - 6, at + 4, _tick(value, y), "end"))
        if x_ticks:
            value = x.low + share * (x.high - x.low)
            parts.append(_text(_x(value, x), HEIGHT - BOTTOM + 16, _tick(value, x), "middle"))
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    for language, label in (("en", x.label), ("zh", x.label_zh)):
        parts.append(f'<g class="{language}">{_text(middle, HEIGHT - 6, label, "middle")}</g>')
    return "".join(parts)


def _svg(title: str, parts: Sequence[str]) -> str:
    name = escape(title)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _tick(value: float, axis: Axis) -> str:
    return f"{value * 100:.0f}%" if axis.percent else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _x(value: float, axis: Axis) -> float:
    share = (value - axis.low) / ((axis.high - axis.low) or 1.0)
    return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)


def _y(value: float, axis: Axis) -> float:
    share = (value - axis.low) / ((axis.high - axis.low) or 1.0)
    return HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)
