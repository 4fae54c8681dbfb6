"""The tree of a stack of layers: which inputs one output is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure

from atrous.plots.grid import cell_width, mark_holes, position_label, positive_integers, round_ticks, tap_offsets, unit_scale
from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, PAPER, RULE, SECOND, bare, new_figure

_ALL_DRAWN = 130  # positions up to which the connections of other outputs are drawn, too; more would be one gray
_AS_VECTORS = 5000  # lines; more are drawn as an image, or a vector file would be slow to show


def stacked_tree(
    kernel_sizes: int | Sequence[int],
    rates: Sequence[int],
    *,
    causal: bool = True,
    unit: str = "samples",
    sample_rate: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws a stack of 1D layers, a row of dots a layer, and every path from the inputs to one output.

    Filled dots and dark lines lead to the output, hollow dots and pale lines to its neighbours. A cross is an input inside
    the field at which no path begins: a hole.

    Args:
        kernel_sizes: Taps of each layer, first to last; one number for all layers.
        rates: Rate of each layer, `(layers,)`.
        causal: Whether layers read the past only; otherwise they are centred, as with `padding="same"`.
        unit: What a position is called.
        sample_rate: Samples a second; with it the axis is in milliseconds.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes: across, position relative to the output; up, 0 for the input and i for the output of layer i.

    Raises:
        ValueError: A size, a rate or the sample rate is not positive, or sizes don't fit the rates.

    Source: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio", arXiv 1609.03499, figure 3.
    """
    rates = positive_integers("rates", rates, each="layer")
    every_size = (kernel_sizes,) * len(rates) if np.ndim(kernel_sizes) == 0 else kernel_sizes
    sizes = positive_integers("kernel_sizes", every_size, each="layer", count=len(rates))
    scale, unit_name = unit_scale(unit, sample_rate)
    offsets = [tap_offsets(size, rate, causal=causal) for size, rate in zip(sizes, rates, strict=True)]
    reached = _reached(offsets)
    first, last = int(reached[0][0]), int(reached[0][-1])
    shown = np.arange(first - 1, last + (1 if causal else 2))
    axes = bare((figure or new_figure(4.6, min(0.75 + 0.5 * len(reached), 9.0))).add_subplot())
    everything = len(shown) <= _ALL_DRAWN
    width = cell_width(axes, len(shown))
    if everything:
        _lines(axes, _connections([shown] * len(reached), offsets, (shown[0], shown[-1])), scale, RULE, min(0.6, 0.06 * width))
    _lines(axes, _connections(reached, offsets, (first, last)), scale, FIRST, float(np.clip(0.15 * width, 0.4, 1.2)))
    _dots(axes, shown if everything else shown[:0], reached, scale, width)
    axes.set_yticks(range(len(reached)), _level_names(sizes, rates))
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.set_ylim(-0.4, len(rates) + 0.4)
    margin = max(0.7, 0.015 * len(shown))
    axes.set_xlim((shown[0] - margin) * scale, (shown[-1] + margin) * scale)
    axes.xaxis.set_major_locator(round_ticks(8, whole=sample_rate is None))
    axes.set_xlabel(f"{position_label(unit_name)}, relative to the output", color=INK)
    axes.set_title(_sentence(reached[0], unit, sample_rate), loc="left", fontsize=FONT_SIZE, color=INK)
    return axes


def _reached(offsets: list[np.ndarray]) -> list[np.ndarray]:
    """Positions that output 0 depends on, sorted, a row for the input and for each layer."""
    rows = [np.zeros(1, int)]
    for taps in reversed(offsets):
        rows.append(np.unique(np.add.outer(rows[-1], taps)))
    return rows[::-1]


def _connections(rows: list[np.ndarray], offsets: list[np.ndarray], limits: tuple[int, int]) -> np.ndarray:
    """From each position of each layer to each tap of it within the limits: `(lines, 2 ends, 2)`."""
    lines = []
    for level, taps in enumerate(offsets):
        above = np.repeat(rows[level + 1], len(taps))
        below = np.add.outer(rows[level + 1], taps).ravel()
        inside = (below >= limits[0]) & (below <= limits[1])
        ends = [np.stack([x[inside], np.full(inside.sum(), y)], axis=1) for x, y in ((below, level), (above, level + 1))]
        lines.append(np.stack(ends, axis=1))
    return np.concatenate(lines)


def _lines(axes: Axes, lines: np.ndarray, scale: float, color: str, width: float) -> None:
    collection = LineCollection(list(lines * [scale, 1]), colors=color, linewidths=width)
    collection.set_rasterized(len(lines) > _AS_VECTORS)
    axes.add_collection(collection)


def _dots(axes: Axes, shown: np.ndarray, reached: list[np.ndarray], scale: float, width: float) -> None:
    size = float(np.clip(0.45 * width, 0.8, 6.0))
    edge = min(0.9, 0.25 * size)
    holes = np.setdiff1d(np.arange(reached[0][0], reached[0][-1] + 1), reached[0])
    apart = [np.union1d(reached[0], holes), *reached[1:]]
    others = [(x * scale, y) for y, row in enumerate(apart) for x in np.setdiff1d(shown, row)]
    mine = [(x * scale, y) for y, row in enumerate(reached[:-1]) for x in row]
    common: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": edge}
    if others:
        axes.plot(*zip(*others, strict=True), gid="others", color=PAPER, markeredgecolor=MUTED, zorder=3, **common)
    axes.plot(*zip(*mine, strict=True), gid="reached", color=FIRST, markeredgecolor=FIRST, zorder=4, **common)
    axes.plot(0, len(reached) - 1, "D", gid="output", color=SECOND, markersize=max(size, 4.5), zorder=4)
    if len(holes):
        mark_holes(axes, holes * scale, np.zeros(len(holes)), width)


def _level_names(sizes: Sequence[int], rates: Sequence[int]) -> list[str]:
    names = ["input"]
    for index, (size, rate) in enumerate(zip(sizes, rates, strict=True)):
        name = f"layer {index + 1}: " if index + 1 < len(rates) else "output: "
        names.append(name + (f"size {size}, " if len(set(sizes)) > 1 else "") + f"rate {rate}")
    return names


def _sentence(inputs: np.ndarray, unit: str, sample_rate: float | None) -> str:
    span = int(inputs[-1] - inputs[0] + 1)
    some = f"{len(inputs)} of " if len(inputs) < span else ""
    duration = "" if sample_rate is None else f" ({1000 * span / sample_rate:.3g} ms)"
    return f"one output sees {some}{span} {unit}{duration}"
