"""Draws the pictures of README.md and docs/guide.md into docs/images.

python tools/draw_images.py

They are transparent, with ink of middle lightness, so that they look right on a light and on a dark page. Not drawn here is
report.png: the upper half of a report.html beside its lower half, from a browser.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from atrous import data
from atrous.plots.images import show_image
from atrous.spec import ConvSpec, ReceptiveField, chain

FOLDER = Path(__file__).parents[1] / "docs" / "images"
INK, CELL, TAP, SEEN = "#7d858f", "#8b949e55", "#e8590c", "#e8a33d"
YELLOW = "#ffd23f"


def main() -> None:
    """Draws every picture."""
    for name, figure in {"field": field_grows(), "taps": taps(), "gridding": gridding()}.items():
        figure.savefig(FOLDER / f"{name}.png", dpi=160, bbox_inches="tight", pad_inches=0.06)


def field_grows() -> Figure:
    """Three 3×3 layers at rates 1, 2, 4 over an image: the taps of each, and all that one unit of it sees."""
    rates, centre = (1, 2, 4), (15, 12)
    image = data.load("fashion-mnist").test.images([0])[0]
    figure = Figure(figsize=(9.6, 3.5), layout="constrained", facecolor="none")
    for index, rate in enumerate(rates):
        axes = figure.add_subplot(1, 3, index + 1)
        show_image(axes, 30 + image * 0.75)
        field = _chain(rates[: index + 1])
        below = _chain(rates[:index])
        for row, column in _taps(rate):
            tap = (centre[0] + row, centre[1] + column)
            if index:
                _outline(axes, tap, below.size[0], "#ffffffa0", 0.7)
            _cell(axes, *tap, TAP)
        _outline(axes, centre, field.size[0], YELLOW, 2.4)
        _title(axes, f"layer {index + 1}, rate {rate}: sees {field.size[0]} × {field.size[1]}")
    return figure


def taps() -> Figure:
    """Which positions a 3×3 kernel reads at rates 1, 2, 3."""
    figure = Figure(figsize=(7.6, 2.9), layout="constrained", facecolor="none")
    for index, rate in enumerate((1, 2, 3)):
        axes = figure.add_subplot(1, 3, index + 1)
        span = ConvSpec.parse(2, 3, dilation_rate=rate).effective_kernel_size[0]
        _grid(axes, 9)
        for row, column in _taps(rate):
            _cell(axes, 4 + row, 4 + column, TAP)
        _outline(axes, (4, 4), span, SEEN, 2)
        _title(axes, f"rate {rate}: 9 weights, {span} × {span}")
    return figure


def gridding() -> Figure:
    """In how many ways three layers reach each position, at rates 2, 2, 2 and at rates 1, 2, 3."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained", facecolor="none")
    for index, rates in enumerate(((2, 2, 2), (1, 2, 3))):
        axes = figure.add_subplot(1, 2, index + 1)
        ways = np.ones((1,))
        for rate in rates:
            kernel = np.zeros(2 * rate + 1)
            kernel[::rate] = 1
            ways = np.convolve(ways, kernel)
        ways = np.outer(ways, ways)
        _grid(axes, len(ways))
        for row, column in np.argwhere(ways):
            share = (ways[row, column] / ways.max()) ** 0.5
            _cell(axes, row, column, (*_rgb(TAP), 0.25 + 0.75 * share))
        _title(axes, f"rates {', '.join(map(str, rates))}: {np.count_nonzero(ways)} of {ways.size} seen")
    return figure


def _chain(rates: Sequence[int]) -> ReceptiveField:
    return chain([ConvSpec.parse(2, 3, dilation_rate=rate) for rate in rates]) if rates else ReceptiveField.identity(2)


def _taps(rate: int) -> list[tuple[int, int]]:
    return [(rate * row, rate * column) for row in (-1, 0, 1) for column in (-1, 0, 1)]


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _grid(axes: Axes, side: int) -> None:
    axes.set_aspect("equal")
    axes.set_xlim(-0.65, side - 0.35)
    axes.set_ylim(side - 0.35, -0.65)
    for row in range(side):
        for column in range(side):
            _cell(axes, row, column, CELL)


def _cell(axes: Axes, row: float, column: float, color: str | tuple[float, ...], side: float = 0.86) -> None:
    axes.add_patch(Rectangle((column - side / 2, row - side / 2), side, side, facecolor=color, edgecolor="none"))


def _outline(axes: Axes, centre: tuple[int, int], side: int, color: str, width: float) -> None:
    corner = (centre[1] - side / 2, centre[0] - side / 2)
    axes.add_patch(Rectangle(corner, side, side, facecolor="none", edgecolor=color, linewidth=width, joinstyle="miter"))


def _title(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.set_title(text, color=INK, fontsize=11, pad=8)


if __name__ == "__main__":
    main()
