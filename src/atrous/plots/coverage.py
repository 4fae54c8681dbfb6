"""In how many ways each position is read, and which positions never are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgba
from matplotlib.figure import Figure, SubFigure

from atrous.plots.grid import cell_width, mark_holes, pixel_axes, position_label, round_ticks, unit_scale
from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, RULE, bare, new_figure

# One colour over what lies behind: pale to full on a light page. The palest is well apart from a hole, which is empty.
_COLORS = LinearSegmentedColormap.from_list("coverage", [to_rgba(FIRST, 0.16), to_rgba(FIRST, 1.0)])
_SEPARATE = 256  # bars; more are drawn as one outline


def coverage_map(
    counts: np.ndarray,
    *,
    offset: Sequence[int] = (0, 0),
    unit: str = "pixels",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws in how many ways one output is reached from each pixel of its field; a pixel that is never read is crossed.

    Cells are as dark as the square root of their count, so that rare ones show beside the middle; the colour bar tells.

    Args:
        counts: Number of paths from each input position to the output, `(rows, columns)`; 0 is a hole.
        offset: Row and column of the first one: 0, 0 counts from the field's corner, negative numbers from the output.
        unit: What a position is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes, in pixels.

    Raises:
        ValueError: `counts` has another rank, is empty, or holds negative or infinite values.
    """
    counts = _checked(counts, rank=2)
    rows, columns = counts.shape
    top, left = offset
    axes = bare((figure or new_figure(3.1, 0.9 + 2.5 * float(np.clip(rows / columns, 0.4, 1.6)))).add_subplot())
    extent = (left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5)
    largest = float(counts.max() or 1)
    norm = PowerNorm(0.5, vmin=0, vmax=largest)
    image = axes.imshow(np.ma.masked_equal(counts, 0), cmap=_COLORS, norm=norm, interpolation="none", extent=extent)
    width = pixel_axes(axes, (top, top + rows - 1), (left, left + columns - 1), unit)
    holes = np.argwhere(counts == 0)
    if len(holes):
        mark_holes(axes, holes[:, 1] + left, holes[:, 0] + top, width)
    bar = axes.figure.colorbar(image, ax=axes, location="bottom", aspect=28, fraction=0.05, pad=0.02)
    bar.set_label("paths to the output", fontsize=FONT_SIZE, color=INK)
    ticks = _root_ticks(largest)
    bar.set_ticks(ticks, labels=[f"{tick:,.0f}" if 8 <= tick < 1e6 else f"{tick:.3g}" for tick in ticks])
    bar.ax.tick_params(colors=MUTED, labelsize=FONT_SIZE - 1, length=0)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)  # one image instead of 256 paths in a vector file
    axes.set_title(_sentence(counts, unit), fontsize=FONT_SIZE, color=INK)
    return axes


def path_profile(
    counts: Sequence[float] | np.ndarray,
    offset: int = 0,
    *,
    unit: str = "pixels",
    sample_rate: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws in how many ways one output is reached from each position along one axis; a position never read is crossed.

    Args:
        counts: Number of paths from each input position to the output, `(positions,)`; 0 is a hole.
        offset: Position of the first one: 0 counts from the field's begin, a negative number from the output.
        unit: What a position is called.
        sample_rate: Samples a second; with it the axis is in milliseconds.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: `counts` has another rank, is empty, or holds negative or infinite values; the sample rate isn't positive.
    """
    counts = _checked(np.asarray(counts), rank=1)
    scale, unit_name = unit_scale(unit, sample_rate)
    positions = (offset + np.arange(len(counts))) * scale
    axes = bare((figure or new_figure(4.6, 2.2)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    if len(counts) <= _SEPARATE:
        axes.bar(positions, counts, width=0.82 * scale, color=FIRST)
    else:
        edges = np.append(positions, positions[-1] + scale) - 0.5 * scale
        axes.stairs(counts, edges, fill=True, color=FIRST)
    holes = positions[counts == 0]
    if len(holes):
        mark_holes(axes, holes, np.zeros(len(holes)), cell_width(axes, len(counts)))
    axes.set_xlim(positions[0] - 0.6 * scale, positions[-1] + 0.6 * scale)
    axes.set_ylim(0, 1.05 * (counts.max() or 1))
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_major_locator(round_ticks(8, whole=sample_rate is None))
    axes.yaxis.set_major_locator(round_ticks(4, whole=bool((counts == np.floor(counts)).all())))
    axes.set_xlabel(position_label(unit_name), color=INK)
    axes.set_ylabel("paths to the output", color=INK)
    axes.set_title(_sentence(counts, unit), loc="left", fontsize=FONT_SIZE, color=INK)
    return axes


def _checked(counts: np.ndarray, rank: int) -> np.ndarray:
    numbers = np.asarray(counts, "float64")
    if numbers.ndim != rank or not numbers.size:
        axes = {1: "(positions,)", 2: "(rows, columns)"}[rank]
        raise ValueError(f"`counts` must have shape {axes} and hold something. Received: counts.shape={numbers.shape}.")
    if not np.isfinite(numbers).all() or numbers.min() < 0:
        raise ValueError(f"`counts` must be finite and not negative. Received: {numbers.min():g} to {numbers.max():g}.")
    return numbers


def _root_ticks(largest: float) -> list[float]:
    """Numbers for a scale that goes by square roots: its ends and, where that is a whole number of paths, its middle."""
    return [0.0, float(round(largest / 4)), largest] if largest >= 8 else [0.0, largest]


def _sentence(counts: np.ndarray, unit: str) -> str:
    holes = int((counts == 0).sum())
    return f"{holes} of {counts.size} {unit} never read" if holes else f"all {counts.size} {unit} read"
