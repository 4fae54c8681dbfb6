"""The effective field: how much each pixel really matters to one output."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Patch, Rectangle

from atrous.plots.field import Span, visible_limits
from atrous.plots.images import show_image
from atrous.plots.style import BLACK, FONT_SIZE, INK, MUTED, WHITE, YELLOW, bare, bordered, new_figure

# Drawn over a dark gray image: light is what counts, in colour as in gray, whatever the page around it looks like.
_HEAT = LinearSegmentedColormap.from_list("heat", [(1.0, 0.5, 0.0, 0.0), (1.0, 0.65, 0.15, 0.7), (1.0, 0.97, 0.85, 1.0)])
_DARKENED = 0.4


def effective_field(
    gradient: np.ndarray,
    image: np.ndarray | None = None,
    *,
    theoretical: tuple[Span, Span] | None = None,
    unit: str = "pixels",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws how strongly one output depends on each pixel, over the image, with its extent in three lines.

    - dotted ellipse: two standard deviations to each side of the mean, by which the field is measured when it is taken for a
      Gaussian (of which that is 95 % along an axis);
    - dashed box: along each axis the middle 95 % of the gradient, whatever its shape;
    - solid box: the theoretical field, all that could matter.

    Args:
        gradient: Size of the output's derivative by each pixel, `(height, width)`; signs are dropped. A mean over several
            images and units shows the network, a single one the image, too.
        image: `(height, width, 1 or 3)`, values 0..255, shown below in dark gray; `None` for black.
        theoretical: First and last row, first and last column of the theoretical field.
        unit: What a position is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes, in pixels.

    Raises:
        ValueError: `gradient` has another rank, is not finite or zero everywhere, or the image has another size.

    Source: Luo, Li, Urtasun, Zemel 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
    arXiv 1701.04128.
    """
    weights = _checked(gradient, image)
    height, width = weights.shape
    axes = bare((figure or new_figure(4.2, 0.9 + 3.6 * float(np.clip(height / width, 0.5, 1.6)))).add_subplot())
    show_image(axes, np.zeros((height, width)) if image is None else _dark_gray(image))
    heat = axes.imshow(weights / weights.max(), cmap=_HEAT, norm=PowerNorm(0.5, vmin=0, vmax=1), interpolation="none")
    handles = _extents(axes, weights, unit)
    if theoretical is not None:
        sides = " × ".join(str(last - first + 1) for first, last in theoretical)
        handles.append(_outline(axes, _box(*theoretical), f"theoretical: {sides} {unit}", "solid", YELLOW))
    rows, columns = theoretical or ((0, height - 1), (0, width - 1))
    axes.set_xlim(*visible_limits(columns, width))
    axes.set_ylim(*reversed(visible_limits(rows, height)))
    axes.set_xlabel(f"column ({unit})", color=INK)
    axes.set_ylabel(f"row ({unit})", color=INK)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=MUTED)
    _color_bar(axes, heat)
    axes.figure.legend(
        handles=handles, loc="outside lower center", fontsize=FONT_SIZE, labelcolor=INK, frameon=False, handlelength=4
    )
    return axes


def _dark_gray(image: np.ndarray) -> np.ndarray:
    gray: np.ndarray = np.asarray(image, "float64").reshape(*image.shape[:2], -1).mean(axis=-1)
    return _DARKENED * gray


def _color_bar(axes: Axes, heat: AxesImage) -> None:
    bar = axes.figure.colorbar(heat, ax=axes, fraction=0.04, pad=0.02, aspect=25, shrink=0.8, ticks=[0, 0.25, 1])
    bar.set_label("gradient (share of the largest)", fontsize=FONT_SIZE, color=INK)
    bar.ax.set_facecolor(BLACK)  # as over the image
    bar.ax.tick_params(colors=MUTED, labelsize=FONT_SIZE - 1, length=0)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)  # one image instead of 256 paths in a vector file


def _checked(gradient: np.ndarray, image: np.ndarray | None) -> np.ndarray:
    weights: np.ndarray = np.abs(np.asarray(gradient, "float64"))
    if weights.ndim != 2:
        raise ValueError(
            f"`gradient` must have shape (height, width): sum over channels first. Received: gradient.shape={weights.shape}."
        )
    if image is not None and np.shape(image)[:2] != weights.shape:
        raise ValueError(
            f"`image` must be as large as `gradient`. Received: image.shape={np.shape(image)}, gradient.shape={weights.shape}."
        )
    if not weights.size or not np.isfinite(weights).all() or weights.max() == 0:
        raise ValueError(
            "`gradient` must be finite, and not zero everywhere: the output would depend on nothing. "
            f"Received: a largest value of {weights.max(initial=0):g}."
        )
    return weights


def _extents(axes: Axes, weights: np.ndarray, unit: str) -> list[Line2D]:
    """Draws both extents of the gradient."""
    marginals = weights.sum(axis=1), weights.sum(axis=0)
    means, deviations = zip(*(_moments(marginal) for marginal in marginals), strict=True)
    rows, columns = (_middle(marginal, 0.95) for marginal in marginals)
    ellipse = Ellipse((means[1], means[0]), 4 * deviations[1], 4 * deviations[0])
    label = f"±2σ: {4 * deviations[0]:.1f} × {4 * deviations[1]:.1f} {unit}"
    box = f"95 % along each axis: {rows[1] - rows[0] + 1} × {columns[1] - columns[0] + 1} {unit}"
    return [
        _outline(axes, ellipse, label, (0, (1, 1.2)), WHITE),
        _outline(axes, _box(rows, columns), box, (0, (5, 2)), WHITE),
    ]


def _moments(marginal: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the positions along an axis, `(n,)`, weighted."""
    positions = np.arange(len(marginal))
    mean = float(np.average(positions, weights=marginal))
    return mean, float(np.sqrt(np.average((positions - mean) ** 2, weights=marginal)))


def _middle(marginal: np.ndarray, share: float) -> Span:
    """First and last position of the fewest that hold this share of an axis's weights with the rest cut off on both sides."""
    ends = np.array([(1 - share) / 2, (1 + share) / 2]) * marginal.sum()
    first, last = np.searchsorted(np.cumsum(marginal), ends - 1e-12 * marginal.sum(), side="left")
    return int(first), int(min(last, len(marginal) - 1))


def _box(rows: Span, columns: Span) -> Rectangle:
    """Around whole pixels: pixel i lies between i − 0.5 and i + 0.5."""
    return Rectangle((columns[0] - 0.5, rows[0] - 0.5), columns[1] - columns[0] + 1, rows[1] - rows[0] + 1)


def _outline(axes: Axes, patch: Patch, label: str, style: Any, color: str) -> Line2D:
    """Draws a line around, and returns one for the legend."""
    patch.set(facecolor="none", edgecolor=color, linewidth=1.8, linestyle=style, label=label)
    handle = Line2D([], [], color=color, linewidth=1.8, linestyle=style, label=label)
    for artist in (axes.add_patch(patch), handle):
        bordered(artist, 1.8)
    return handle
