"""Charts as SVG: lines over a number, and bars by name. Text is 13 px and dark on white, for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT, TOP = 760, 70, 24, 64
COLOURS = ("#1f5fbf", "#b3261e", "#2e7d32")
Point = tuple[float, float]


def lines(title: str, x_name: str, y_name: str, series: Mapping[str, Sequence[Point]]) -> str:
    """Series over a linear axis; the vertical axis is logarithmic."""
    height, bottom = 340, 56
    xs, ys = ([point[at] for points in series.values() for point in points] for at in (0, 1))
    most = _rounded_up(max(xs))
    decades = range(math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys))) + 1)
    low, high = decades[0], max(decades[-1], decades[0] + 1)

    def place(x: float, y: float) -> Point:
        right, down = x / most, (high - math.log10(y)) / (high - low)
        return LEFT + right * (WIDTH - LEFT - RIGHT), TOP + down * (height - TOP - bottom)

    parts = []
    for decade in range(low, high + 1):
        _, y = place(0, 10.0**decade)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, "#dddddd"), _text(LEFT - 8, y + 4, f"{10.0**decade:g}", "end")]
    for at in range(6):
        x, y = place(most * at / 5, 10.0**low)
        parts += [_line(x, y, x, y + 5, "#444444"), _text(x, y + 20, f"{most * at / 5:,.0f}", "middle")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 12, x_name, "middle"))
    parts.append(_text(LEFT, TOP - 12, y_name, "start"))
    for colour, (name, points) in zip(COLOURS, series.items(), strict=False):
        placed = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(placed[-1][0] - 8, placed[-1][1] - 10, name, "end", colour))
    return _picture(title, height, parts)


def bars(title: str, unit: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Horizontal bars: name of the group -> name of the bar -> value."""
    row, gap, label = 20, 12, 250
    count = sum(len(each) for each in groups.values())
    height = TOP + count * row + len(groups) * gap + 16
    most = max(value for each in groups.values() for value in each.values())
    colours = dict(zip(dict.fromkeys(name for each in groups.values() for name in each), COLOURS, strict=False))
    parts, y = [], float(TOP)
    for group, values in groups.items():
        parts.append(_text(label - 10, y + len(values) * row / 2 + 4, group, "end"))
        for name, value in values.items():
            width = value / most * (WIDTH - label - 190)
            parts.append(
                f'<rect x="{label}" y="{y:.0f}" width="{width:.1f}" height="{row - 4}" fill="{colours[name]}"/>'
            )
            parts.append(_text(label + width + 8, y + row - 7, f"{value:,.3g} {unit} {name}".rstrip(), "start"))
            y += row
        y += gap
    return _picture(title, height, parts)


def _picture(title: str, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-labelledby="title">'
    )
    body = [
        f'<title id="title">{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        '<g font-family="sans-serif" font-size="13" fill="#222222">',
        f'<text x="16" y="28" font-weight="bold" font-size="14">{escape(title)}</text>',
        *parts,
        "</g>",
    ]
    return "\n".join([head, *body, "</svg>"]) + "\n"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#222222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _rounded_up(value: float) -> float:
    """A multiple of five of the value's own size."""
    step = 10 ** math.floor(math.log10(value)) / 2
    return math.ceil(value / step) * step
