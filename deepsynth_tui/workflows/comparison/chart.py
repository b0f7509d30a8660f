"""Curves of several runs in one SVG, which needs nothing but itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from deepsynth_tui.chart_scale import Point, decimate, tick_labels, ticks

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 10, 8, 34
COLORS = ("#4269d0", "#d9690f", "#238b45", "#a463f2", "#c03d6a", "#1b8a9c", "#8a6d1d", "#6b7280")
"""Of Observable's categorical palette, darker where they would be pale on white."""
DASHES = ("", "6 3", "2 3")
"""The dashes of runs beyond the colours, so that no two lines look the same below 24 runs."""
Position = Callable[[Point], tuple[float, float]]
BUCKETS = 150  # parts of a curve that keep their lowest and highest point


@dataclass(frozen=True, slots=True)
class Line:
    """A curve by the number of its run."""

    run: int
    points: Sequence[Point]


def smoothed(points: Sequence[Point], weight: float) -> list[Point]:
    """Return the exponential moving average, corrected for its start as TensorBoard does."""
    average, total, result = 0.0, 0.0, []
    for x, value in points:
        average = weight * average + (1 - weight) * value
        total = weight * total + (1 - weight)
        result.append((x, average / total))
    return result


def style_of(run: int) -> str:
    """Return the SVG attributes of the line of a run."""
    dash = DASHES[run // len(COLORS) % len(DASHES)]
    return f'stroke="{COLORS[run % len(COLORS)]}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def chart_svg(
    lines: Sequence[Line], *, title: str, x_label: str, smoothing: float, is_log: bool
) -> str | None:
    """Return the SVG of `lines`; None where no point can be drawn.

    With `smoothing`, the curves as they are stay behind the smoothed ones, pale. On a logarithmic
    axis, values that are not positive have no place.
    """
    shown = [Line(line.run, _positive(line.points) if is_log else line.points) for line in lines]
    shown = [line for line in shown if line.points]
    if not shown:
        return None
    xs = [x for line in shown for x, _ in line.points]
    ys = [_place(y, is_log=is_log) for line in shown for _, y in line.points]
    low_x, high_x = min(xs), max(xs)
    low_y, high_y = _padded(min(ys), max(ys))

    def position(point: Point) -> tuple[float, float]:
        x = (point[0] - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        y = (_place(point[1], is_log=is_log) - low_y) / (high_y - low_y)
        return LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
    ]
    values = ticks(low_y, high_y, 6)
    labels = [f"{10**value:.3g}" for value in values] if is_log else tick_labels(values)
    for value, label in zip(values, labels, strict=True):
        y = position((low_x, 10**value if is_log else value))[1]
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
    values = ticks(low_x, high_x, 8)
    bottom = HEIGHT - BOTTOM + 15
    for value, label in zip(values, tick_labels(values), strict=True):
        x = position((value, shown[0].points[0][1]))[0]
        parts.append(f'<text x="{x:.1f}" y="{bottom}" text-anchor="middle">{escape(label)}</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(x_label)}</text>'
    )
    for line in shown:
        if smoothing and len(line.points) > 1:
            parts.append(_path(line.run, line.points, position, "raw"))
            parts.append(_path(line.run, smoothed(line.points, smoothing), position, "line"))
        else:
            parts.append(_path(line.run, line.points, position, "line"))
    return "".join((*parts, "</svg>"))


def _path(run: int, points: Sequence[Point], position: Position, css: str) -> str:
    drawn = [position(point) for point in decimate(points, BUCKETS)]
    if len(drawn) == 1:
        (x, y), color = drawn[0], COLORS[run % len(COLORS)]
        return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>'
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
    return f'<polyline class="{css}" {style_of(run)} points="{text}"/>'


def _positive(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point[1] > 0]


def _place(value: float, *, is_log: bool) -> float:
    return math.log10(value) if is_log else value


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - margin, high + margin
