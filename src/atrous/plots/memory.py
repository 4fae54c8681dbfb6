"""Which layers take the memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from atrous.plots.grid import one_per_layer, round_ticks
from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, PAPER, RULE, bare, new_figure

_MIB = 2**20
_LONGEST_NAME = 34  # characters


def memory_by_layer(
    names: Sequence[str],
    sizes: Sequence[float] | np.ndarray,
    *,
    largest: int = 16,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws the memory of each layer as a bar, first layer on top; of a long network the largest, and the others as one bar.

    Args:
        names: Layer names, first to last.
        sizes: Bytes of each layer, `(layers,)`.
        largest: Layers that get a bar of their own at most.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes, in MiB.

    Raises:
        ValueError: There isn't one size for each name, a size is negative or not finite, or `largest` is not positive.
    """
    one_per_layer(names, sizes)
    mebibytes = np.asarray(sizes, "float64") / _MIB
    if not np.isfinite(mebibytes).all() or mebibytes.min() < 0:
        raise ValueError(f"`sizes` must be finite and not negative. Received: sizes={list(sizes)}.")
    if largest < 1:
        raise ValueError(f"`largest` must be a positive integer. Received: largest={largest!r}.")
    kept = np.sort(np.argsort(-mebibytes, kind="stable")[:largest])  # the largest, in the order of the network
    rest = len(names) - len(kept)
    labels = [_shortened(names[index]) for index in kept] + ([f"{rest} others"] if rest else [])
    values = np.append(mebibytes[kept], [mebibytes.sum() - mebibytes[kept].sum()] if rest else [])
    axes = bare((figure or new_figure(4.6, 0.9 + 0.22 * len(values))).add_subplot())
    bars = axes.barh(range(len(values)), values, height=0.72, color=FIRST)
    if rest:
        bars[-1].set(facecolor=PAPER, edgecolor=FIRST, hatch="////", linewidth=0.8)
    _label(axes, labels, values)
    total = mebibytes.sum()
    axes.set_title(f"{len(names)} layers, {_figures(total)} MiB in all", loc="left", fontsize=FONT_SIZE, color=INK)
    return axes


def _label(axes: Axes, labels: list[str], values: np.ndarray) -> None:
    for y, value in enumerate(values):
        axes.annotate(
            _figures(value), (value, y), (4, 0), textcoords="offset points", va="center", fontsize=FONT_SIZE - 1, color=MUTED
        )
    axes.grid(axis="x", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", labelcolor=INK, labelsize=FONT_SIZE if max(map(len, labels)) <= 24 else FONT_SIZE - 1)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 1.14 * (values.max() or 1))
    axes.xaxis.set_major_locator(round_ticks(6))
    axes.set_xlabel("memory (MiB)", color=INK)
    axes.spines["bottom"].set_visible(False)


def _figures(value: float) -> str:
    """Three figures, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 or value == 0 else "< 0.001"


def _shortened(name: str) -> str:
    """Both ends of a long name: the block and the layer."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"
