"""What pictures of positions share: the unit of an axis, its ticks, lines between pixels, the sign for a hole."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from atrous.plots.style import INK, PAPER

_LINED = 48  # cells along an axis up to which lines between them leave something to see


def unit_scale(unit: str, sample_rate: float | None) -> tuple[float, str]:
    """Factor from positions to an axis's unit, and the unit's name: milliseconds where the sample rate is known.

    Raises:
        ValueError: The sample rate is not a positive number.
    """
    if sample_rate is None:
        return 1.0, unit
    if not (math.isfinite(sample_rate) and sample_rate > 0):
        raise ValueError(
            f"`sample_rate` must be a positive number of samples a second, or None. Received: sample_rate={sample_rate!r}."
        )
    return 1000.0 / sample_rate, "ms"


def position_label(unit: str) -> str:
    """The label of an axis of positions."""
    return f"position ({unit})" if unit == "pixels" else f"time ({unit})"


def round_ticks(most: int, *, whole: bool = False) -> MaxNLocator:
    """Ticks at multiples of 1, 2 or 5 times a power of ten; at whole numbers only if asked for."""
    return MaxNLocator(most, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1)


def positive_integers(name: str, values: Any, *, each: str, count: int | None = None) -> tuple[int, ...]:
    """Returns `values` as a tuple of ints that are at least 1.

    Args:
        name: The argument.
        values: What was received: a sequence of integers, NumPy's too.
        each: What there is one number for: "layer", say.
        count: How many there must be; any number but none if `None`.

    Raises:
        ValueError: They are something else, or none; the message names the argument.
    """
    try:
        numbers = tuple(operator.index(value) for value in values)
    except TypeError:
        numbers = ()
    if not numbers or min(numbers) < 1 or len(numbers) != (count or len(numbers)):
        raise ValueError(f"`{name}` must be positive integers, one for each {each}. Received: {name}={values!r}.")
    return numbers


def one_per_layer(names: Sequence[str], sizes: Sequence[Any] | np.ndarray) -> None:
    """Refuses layer names that don't fit the sizes."""
    if len(names) != len(sizes) or not len(names):
        raise ValueError(
            f"`names` and `sizes` must hold one entry for each layer. Received: {len(names)} names, {len(sizes)} sizes."
        )


def tap_offsets(kernel_size: int, rate: int, *, causal: bool = False) -> np.ndarray:
    """Positions that a kernel reads, relative to the position it computes, `(kernel_size,)`."""
    span = (kernel_size - 1) * rate
    return rate * np.arange(kernel_size) - (span if causal else span // 2)


def pixel_axes(axes: Axes, rows: tuple[int, int], columns: tuple[int, int], unit: str) -> float:
    """Limits axes to whole pixels, first to last, draws lines between them, and labels both axes; about how wide a pixel is."""
    axes.set_aspect("equal")
    axes.set_xlim(columns[0] - 0.5, columns[1] + 0.5)
    axes.set_ylim(rows[1] + 0.5, rows[0] - 0.5)
    cells = 1 + max(rows[1] - rows[0], columns[1] - columns[0])
    width = cell_width(axes, cells)
    for axis, (first, last), name in ((axes.xaxis, columns, "column"), (axes.yaxis, rows, "row")):
        axis.set_major_locator(round_ticks(min(6, last - first + 1), whole=True))
        axis.set_label_text(f"{name} ({unit})", color=INK)
        if cells <= _LINED:
            axis.set_minor_locator(FixedLocator([edge - 0.5 for edge in range(first, last + 2)]))
            axis.set_minor_formatter(NullFormatter())
            axis.grid(which="minor", color=PAPER, linewidth=min(0.7, 0.08 * width))
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    return width


def cell_width(axes: Axes, cells: int) -> float:
    """About how wide one of so many cells along the axes will be, in points: what a marker inside may measure."""
    figure = axes.figure
    return float(0.95 * 72 * axes.get_position().width * figure.bbox.width / figure.dpi / max(cells, 1))


def mark_holes(axes: Axes, x: np.ndarray, y: np.ndarray, width: float) -> None:
    """Marks positions that nothing reads, `(holes,)` each, with crosses that fit into cells `width` points wide."""
    size = float(np.clip(0.5 * width, 0.7, 5.0))
    edge = min(1.0, 0.3 * size)
    axes.plot(x, y, "x", gid="holes", color=INK, markersize=size, markeredgewidth=edge, clip_on=False, zorder=5)
