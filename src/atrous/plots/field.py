"""A receptive field, drawn over the image that is seen through it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from atrous.plots.images import show_image
from atrous.plots.style import BLACK, INK, MUTED, WHITE, YELLOW, bare, bordered, new_figure

Span = tuple[int, int]
"""First and last pixel along one axis, both seen; negative or beyond the image where it is padding."""


def receptive_field(
    image: np.ndarray,
    field: tuple[Span, Span],
    taps: Sequence[tuple[Span, Span]] = (),
    *,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws what one unit of a layer sees: the field's outline, and inside it what each tap of the layer's kernel sees.

    Lines are light with a black border, so that they show on any image and in print.

    Args:
        image: `(height, width, 1 or 3)`, values 0..255.
        field: Rows and columns of the theoretical receptive field, in pixels.
        taps: Rows and columns seen by each tap of the kernel, in pixels.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes, in pixels.
    """
    height, width = image.shape[:2]
    axes = bare((figure or new_figure(4.4, 4.4 * min(max(height / width, 0.5), 1.6))).add_subplot())
    show_image(axes, image)
    for rows, columns in taps:
        axes.add_patch(_rectangle(rows, columns, color=WHITE, linewidth=1.1))
        axes.plot(np.mean(columns), np.mean(rows), "o", color=WHITE, markeredgecolor=BLACK, markersize=4.5)
    axes.add_patch(_rectangle(*field, color=YELLOW, linewidth=2.6))
    axes.set_xlim(*visible_limits(field[1], width))
    axes.set_ylim(*reversed(visible_limits(field[0], height)))
    axes.set_xlabel("column (pixels)", color=INK)
    axes.set_ylabel("row (pixels)", color=INK)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=MUTED)
    return axes


def visible_limits(span: Span, n: int) -> tuple[float, float]:
    """The image and the padding that is seen, but no more than one image of it on each side."""
    margin = 0.03 * n
    low = max(min(span[0] - 0.5, -0.5), -n)
    high = min(max(span[1] + 0.5, n - 0.5), 2 * n - 1)
    return low - margin, high + margin


def _rectangle(rows: Span, columns: Span, color: str, linewidth: float) -> Rectangle:
    """An outline around whole pixels: pixel i lies between i − 0.5 and i + 0.5."""
    patch = Rectangle(
        (columns[0] - 0.5, rows[0] - 0.5),
        columns[1] - columns[0] + 1,
        rows[1] - rows[0] + 1,
        edgecolor=color,
        facecolor="none",
        linewidth=linewidth,
        joinstyle="miter",
    )
    bordered(patch, linewidth)
    return patch
