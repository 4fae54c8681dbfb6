"""Where a kernel reads, at several rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from atrous.plots.grid import pixel_axes, positive_integers, tap_offsets
from atrous.plots.images import show_image
from atrous.plots.style import BLACK, FIRST, FONT_SIZE, INK, RULE, SECOND, WHITE, YELLOW, bare, bordered, new_figure


def kernel_footprint(
    kernel_size: int | Sequence[int],
    rates: Sequence[int | Sequence[int]],
    *,
    image: np.ndarray | None = None,
    columns: int = 3,
    unit: str = "pixels",
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draws which pixels a kernel reads for one output: a panel for each rate, all of one scale.

    Taps are filled, a dot marks the pixel that is computed (as with `padding="same"`: a kernel of even size reads one step
    more behind it), and a line goes around the effective kernel size k + (k − 1)(r − 1).

    Args:
        kernel_size: Taps along rows and columns; one number for both.
        rates: For each panel the rate along rows and columns, or one number for both.
        image: `(height, width, 1 or 3)`, values 0..255: its middle lies below the grid.
        columns: Panels in a row.
        unit: What a position is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        One axes a rate; 0, 0 is the pixel that is computed.

    Raises:
        ValueError: A size or a rate is not a positive integer, or there is none.
    """
    size = _pair("kernel_size", kernel_size)
    pairs = [_pair("rates", rate) for rate in rates]
    if not pairs:
        raise ValueError(f"`rates` must hold at least one rate. Received: rates={rates!r}.")
    taps = [(tap_offsets(size[0], rows), tap_offsets(size[1], columns)) for rows, columns in pairs]
    limits = _window([t[0] for t in taps]), _window([t[1] for t in taps])
    rows, columns = math.ceil(len(pairs) / columns), min(columns, len(pairs))
    tall, wide = (last - first + 1 for first, last in limits)
    figure = figure or new_figure(1.45 * columns + 0.35, (1.2 * tall / wide + 0.75) * rows)
    every = []
    for index, (pair, positions) in enumerate(zip(pairs, taps, strict=True)):
        axes = bare(figure.add_subplot(rows, columns, index + 1))
        width = pixel_axes(axes, *limits, unit)
        _background(axes, image, limits)
        _kernel(axes, *positions, width, over_image=image is not None)
        span = " × ".join(str(t[-1] - t[0] + 1) for t in positions)
        rate = str(pair[0]) if pair[0] == pair[1] else "{} × {}".format(*pair)
        axes.set_title(f"rate {rate}: {span}", fontsize=FONT_SIZE, color=INK)
        if index % columns:
            axes.set_ylabel("")
        every.append(axes)
    return every


def _window(taps: list[np.ndarray]) -> tuple[int, int]:
    """First and last position shown along an axis: all taps, and one more on each side."""
    return min(int(t[0]) for t in taps) - 1, max(int(t[-1]) for t in taps) + 1


def _pair(name: str, value: Any) -> tuple[int, int]:
    """Rows and columns, from two numbers or one for both."""
    both = value if np.ndim(value) else (value, value)
    rows, columns = positive_integers(name, both, each="axis (rows, columns)", count=2)
    return rows, columns


def _background(axes: Axes, image: np.ndarray | None, limits: Sequence[tuple[int, int]]) -> None:
    """The pixels below: those around the middle of an image, or plain ones."""
    (top, bottom), (left, right) = limits
    if image is None:
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(Rectangle(corner, right - left + 1, bottom - top + 1, facecolor=RULE, edgecolor="none", zorder=0))
        return
    window = axes.get_xlim(), axes.get_ylim()
    show_image(axes, image)
    height, width = image.shape[:2]
    middle = height // 2, width // 2
    axes.images[0].set_extent((-0.5 - middle[1], width - 0.5 - middle[1], height - 0.5 - middle[0], -0.5 - middle[0]))
    axes.set(xlim=window[0], ylim=window[1])


def _kernel(axes: Axes, rows: np.ndarray, columns: np.ndarray, width: float, *, over_image: bool) -> None:
    """Taps, of a size that shows in pixels of any width (points), their outline, and the pixel that is computed."""
    growth = {"edgecolor": BLACK if over_image else FIRST, "linewidth": 0.8 if over_image else max(0.0, 4 - width)}
    for row in rows:
        for column in columns:
            tap = Rectangle((column - 0.42, row - 0.42), 0.84, 0.84, gid="tap", zorder=4.5)
            tap.set(facecolor=YELLOW if over_image else FIRST, **growth)
            axes.add_patch(tap)
    corner = (columns[0] - 0.5, rows[0] - 0.5)
    sides = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
    span = Rectangle(corner, *sides, gid="span", facecolor="none", edgecolor=SECOND, linewidth=1.6, joinstyle="miter", zorder=4)
    if over_image:
        span.set(edgecolor=YELLOW)
        bordered(span, 1.6)
    axes.add_patch(span)
    axes.plot(
        0, 0, "o", color=WHITE, markeredgecolor=BLACK, markeredgewidth=0.8, markersize=min(4.0, max(3.0, 0.5 * width)), zorder=5
    )
