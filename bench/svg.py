"""Two kinds of drawings as SVG: curves on logarithmic axes, and bars with a mark at the goal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 56, 46
COLOURS = ("#8a5a00", "#1f5fbf", "#2a7a3b", "#7a2a6b")
INK, GRID = "#222222", "#d8d8d8"
BAR_HEIGHT, BAR_GAP, LABEL_WIDTH = 14, 8, 310

Curve = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart of bars."""

    label: str
    value: float
    goal: float


def curves(title: str, x_label: str, y_label: str, lines: Mapping[str, Curve]) -> str:
    """Values by size, one line a name; what is not above zero cannot be shown and is left out."""
    shown = {
        name: {x: y for x, y in sorted(curve.items()) if x > 0 and y > 0}
        for name, curve in lines.items()
    }
    shown = {name: curve for name, curve in shown.items() if curve}
    xs = [x for curve in shown.values() for x in curve]
    ys = [y for curve in shown.values() for y in curve.values()]
    across, up = _Axis(xs, LEFT, WIDTH - RIGHT), _Axis(ys, HEIGHT - BOTTOM, TOP)
    parts = [_text(WIDTH / 2, 18, title, "middle", 13)]
    for value in up.ticks():
        y = up.place(value)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, GRID))
        parts.append(_text(LEFT - 6, y + 4, _short(value), "end"))
    for value in sorted(set(xs)):
        x = across.place(value)
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM, GRID))
        parts.append(_text(x, HEIGHT - BOTTOM + 16, _short(value), "middle"))
    parts.append(_text(WIDTH / 2, HEIGHT - 10, x_label, "middle"))
    parts.append(_text(LEFT, TOP - 8, y_label, "start"))
    for at, (name, curve) in enumerate(shown.items()):
        colour = COLOURS[at % len(COLOURS)]
        points = [(across.place(x), up.place(y)) for x, y in curve.items()]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(_text(WIDTH - RIGHT, TOP - 8 - 13 * at, name, "end", colour=colour))
    return _drawing(title, WIDTH, HEIGHT, parts)


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Bars from zero on, dark where the goal is reached; a line at each one's goal."""
    height = TOP + len(rows) * (BAR_HEIGHT + BAR_GAP) + 10
    width = LABEL_WIDTH + WIDTH
    most = max((max(bar.value, bar.goal) for bar in rows), default=1.0)
    parts = [_text(width / 2, 18, title, "middle", 13)]
    for at, bar in enumerate(rows):
        y = TOP + at * (BAR_HEIGHT + BAR_GAP)
        length, goal = (one / most * (WIDTH - 80) for one in (bar.value, bar.goal))
        colour = COLOURS[1] if bar.value >= bar.goal else COLOURS[0]
        parts.append(_text(LABEL_WIDTH - 8, y + 11, bar.label, "end"))
        parts.append(
            f'<rect x="{LABEL_WIDTH}" y="{y}" width="{length:.1f}" height="{BAR_HEIGHT}" '
            f'fill="{colour}"/>'
        )
        parts.append(_line(LABEL_WIDTH + goal, y - 3, LABEL_WIDTH + goal, y + BAR_HEIGHT + 3, INK))
        beside = LABEL_WIDTH + max(length, goal) + 6
        parts.append(_text(beside, y + 11, f"{bar.value:.2g}x", "start"))
    return _drawing(title, width, height, parts)


class _Axis:
    """Where values of one axis are, by their logarithm."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values, default=1.0), max(values, default=1.0)
        self._low = math.floor(math.log10(low))
        self._high = max(math.ceil(math.log10(high)), self._low + 1)
        self._begin, self._end = begin, end

    def place(self, value: float) -> float:
        """In pixels."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """Powers of ten."""
        return [10.0**power for power in range(self._low, self._high + 1)]


def _short(value: float) -> str:
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}" if value / unit < 1000 else f"{value / unit:.0f}{name}"
    return f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str, size: int = 11, colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _drawing(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="sans-serif">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )
