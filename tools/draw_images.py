"""Draws the pictures of README.md and docs/guide.md into docs/images.

python tools/draw_images.py

Those of `atrous.plots` stand on white, as they come; the field is transparent with ink of middle lightness, so that it
looks right on a light and on a dark page. Not drawn here are report.png, the upper half of a report.html beside its lower
half, from a browser, and benchmarks.png, which comes with its page.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from atrous import data, plots
from atrous.plots.images import show_image
from atrous.plots.style import FONT_SIZE, new_figure
from atrous.spec import ConvSpec, ReceptiveField, chain

FOLDER = Path(__file__).parents[1] / "docs" / "images"
INK, TAP, YELLOW = "#7d858f", "#e8590c", "#ffd23f"


def main() -> None:
    """Draws every picture."""
    _save("field", field_grows(), dpi=160, facecolor="none")
    _save("footprint", plots.kernel_footprint(3, (1, 2, 3))[0].figure)
    _save("tree", plots.stacked_tree(2, (1, 2, 4, 8), sample_rate=16_000).figure)
    _save("growth", growth())
    _save("coverage", coverage())


def _save(name: str, figure: Figure, dpi: int = 200, facecolor: str = "white") -> None:
    figure.savefig(FOLDER / f"{name}.png", dpi=dpi, facecolor=facecolor, bbox_inches="tight", pad_inches=0.06)


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


def growth() -> Figure:
    """Fields of eight 3×3 layers at rate 1, at the repeated rates 1, 2, 5, and at rates that double."""
    depth = 8
    stacks = {"1, 1, 1, …": [1] * depth, "1, 2, 5, …": [1, 2, 5] * 3, "1, 2, 4, …": [2**i for i in range(depth)]}
    sizes = {name: [_chain(rates[: i + 1]).size[0] for i in range(depth)] for name, rates in stacks.items()}
    return plots.field_growth([str(i + 1) for i in range(depth)], sizes, input_size=224, log=True).figure


def coverage() -> Figure:
    """In how many ways three 3×3 layers reach each position, at rates with holes and without."""
    figure = new_figure(4.8, 6.0)
    for part, rates in zip(figure.subfigures(2, 2).flat, ((2, 2, 2), (1, 2, 3), (2, 4, 8), (1, 2, 5)), strict=True):
        ways = np.ones(1)
        for rate in rates:
            kernel = np.zeros(2 * rate + 1)
            kernel[::rate] = 1
            ways = np.convolve(ways, kernel)
        first = -(len(ways) // 2)
        axes = plots.coverage_map(np.outer(ways, ways), offset=(first, first), figure=part)
        found = axes.get_title().replace(" pixels", "")  # short enough for half a picture
        axes.set_title(f"rates {', '.join(map(str, rates))}\n{found}", fontsize=FONT_SIZE)
    return figure


def _chain(rates: Sequence[int]) -> ReceptiveField:
    return chain([ConvSpec.parse(2, 3, dilation_rate=rate) for rate in rates]) if rates else ReceptiveField.identity(2)


def _taps(rate: int) -> list[tuple[int, int]]:
    return [(rate * row, rate * column) for row in (-1, 0, 1) for column in (-1, 0, 1)]


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
