"""How the field grows from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, ScalarFormatter

from atrous.plots.grid import one_per_layer, round_ticks, unit_scale
from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, PAPER, RULE, SECOND, bare, new_figure

_NAMED = 24  # layers up to which their names are readable
_LOOKS = [(FIRST, "-", "o"), (SECOND, (0, (4, 2)), "s"), (INK, (0, (1, 1.5)), "D"), (MUTED, (0, (6, 2, 1, 2)), "v")]

_LINE = 0.075  # height of a line of text, as a share of the axes

Sizes = Sequence[float | None] | np.ndarray


def field_growth(
    names: Sequence[str],
    sizes: Sizes | Mapping[str, Sizes],
    *,
    input_size: float | None = None,
    log: bool = False,
    unit: str = "pixels",
    sample_rate: float | None = None,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws the receptive field of every layer along one axis, first to last.

    A layer that sees the whole input, however large, is an arrow at the top.

    Args:
        names: Layer names, first to last.
        sizes: Size of each layer's field, `(layers,)`, in positions of the input; infinite or `None` for the whole input. Or up
            to four stacks to compare: their names with their sizes.
        input_size: Length of the input, drawn as a line: above it a layer sees padding.
        log: Whether the axis goes by factors of 2.
        unit: What a position is called.
        sample_rate: Samples a second; with it fields are in milliseconds.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes: across, layer 1 to n.

    Raises:
        ValueError: There isn't one size for each name, a size is not positive, or there are more than four stacks.
    """
    series = dict(sizes) if isinstance(sizes, Mapping) else {"": sizes}
    scale, unit_name = unit_scale(unit, sample_rate)
    if not 1 <= len(series) <= len(_LOOKS):
        raise ValueError(f"`sizes` must be of one to {len(_LOOKS)} stacks. Received: {len(series)} of them.")
    values = {name: scale * _checked(names, row) for name, row in series.items()}
    if input_size is not None and not (math.isfinite(input_size) and input_size > 0):
        raise ValueError(f"`input_size` must be a positive number, or None. Received: input_size={input_size!r}.")
    axes = bare((figure or new_figure(4.6, 2.9)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    reference = None if input_size is None else scale * input_size
    top = _vertical(axes, np.concatenate([*values.values(), [] if reference is None else [reference]]), log, scale)
    if reference is not None:
        _reference(axes, reference, f"input: {reference:g} {unit_name}")
    for row, look in zip(values.values(), _LOOKS, strict=False):
        _draw(axes, row, look)
    _horizontal(axes, names)
    _label_ends(axes, values, top)
    _infinite(axes, list(values.values()), top)
    axes.set_ylabel(f"receptive field ({unit_name})", color=INK)
    return axes


def _checked(names: Sequence[str], sizes: Sizes) -> np.ndarray:
    one_per_layer(names, sizes)
    values = np.array([np.inf if size is None else size for size in sizes], "float64")
    if not (values > 0).all():
        raise ValueError(f"`sizes` must be positive, or None for the whole input. Received: sizes={list(sizes)}.")
    return values


def _vertical(axes: Axes, values: np.ndarray, log: bool, scale: float) -> float:
    """Sets limits and ticks, none of them above the finite fields; returns where infinite ones are drawn."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (scale, scale)
    room = 2.6 if len(finite) < len(values) else 1.0  # for arrows and what they mean
    if log:
        powers = range(math.floor(math.log2(low / scale)), math.ceil(math.log2(high / scale)) + 1)
        ticks = [scale * 2.0**power for power in powers[:: -(-len(powers) // 10)]]
        step = max((max(high, ticks[-1]) / ticks[0]) ** 0.08, 1.1)
        axes.set_yscale("log", base=2)
        axes.set_ylim(ticks[0] / step, max(high, ticks[-1]) * step**room)
        infinite = max(high, ticks[-1]) * step
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_locator(FixedLocator([]))
    else:
        ticks = [float(tick) for tick in round_ticks(6, whole=scale == 1).tick_values(0, high) if tick <= high * 1.05]
        axes.set_ylim(0, high * (1 + 0.08 * room))
        infinite = high * 1.1
    axes.yaxis.set_major_locator(FixedLocator(ticks if len(finite) else []))
    return float(infinite)


def _reference(axes: Axes, size: float, label: str) -> None:
    axes.axhline(size, color=MUTED, linewidth=1.0, linestyle=(0, (1, 2)), gid="input")
    at: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": FONT_SIZE}
    text = axes.annotate(label, (0, size), (2, 3), color=MUTED, **at)
    text.set_path_effects([matplotlib.patheffects.withStroke(linewidth=2.5, foreground=PAPER)])  # no line through the words


def _draw(axes: Axes, sizes: np.ndarray, look: tuple[str, Any, str]) -> None:
    color, dashes, marker = look
    finite = np.where(np.isinf(sizes), np.nan, sizes)
    layers = np.arange(1, len(sizes) + 1)
    axes.plot(layers, finite, gid="field", color=color, linestyle=dashes, linewidth=1.8, marker=marker, markersize=_dot(sizes))


def _dot(sizes: np.ndarray) -> float:
    """Points a marker measures."""
    return 5.0 if len(sizes) <= _NAMED else 2.5


def _label_ends(axes: Axes, values: Mapping[str, np.ndarray], top: float) -> None:
    """Writes each stack's name behind its last finite field, one line apart, so that no legend has to be looked up."""
    ends = {name: _last_finite(row) or (len(row) + 0.3, top) for name, row in values.items() if name}
    height = axes.transAxes.inverted()
    lowest = -np.inf
    colors = {name: color for name, (color, _, _) in zip(values, _LOOKS, strict=False)}
    for name, end in sorted(ends.items(), key=lambda item: item[1][1]):
        x, y = height.transform(axes.transData.transform(end))
        lowest = max(y, lowest + _LINE)
        axes.annotate(
            name,
            (x, lowest),
            xytext=(7, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            fontsize=FONT_SIZE,
            color=colors[name],
        )


def _last_finite(sizes: np.ndarray) -> tuple[float, float] | None:
    layers = np.flatnonzero(np.isfinite(sizes))
    return (float(layers[-1] + 1), float(sizes[layers[-1]])) if len(layers) else None


def _infinite(axes: Axes, rows: list[np.ndarray], top: float) -> None:
    """Arrows where a layer sees the whole input; those of several stacks stand side by side."""
    every: list[float] = []
    for index, (row, (color, _, _)) in enumerate(zip(rows, _LOOKS, strict=False)):
        layers = 1 + np.flatnonzero(np.isinf(row)) + 0.2 * (index - (len(rows) - 1) / 2)
        every.extend(layers)
        if len(layers):
            axes.plot(layers, np.full(len(layers), top), "^", gid="infinite", color=color, markersize=_dot(row) + 2)
    if every:
        at = ((min(every) + max(every)) / 2, top)
        axes.annotate("whole input", at, (0, 7), textcoords="offset points", ha="center", fontsize=FONT_SIZE, color=INK)


def _horizontal(axes: Axes, names: Sequence[str]) -> None:
    axes.set_xlim(0.6, len(names) + 0.4)
    if len(names) <= _NAMED:
        steep = sum(map(len, names)) + 2 * len(names) > 55  # characters that fit side by side
        rotation: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if steep else {}
        axes.set_xticks(range(1, len(names) + 1), names, **rotation)
        axes.tick_params(axis="x", labelcolor=INK)
        axes.set_xlabel("layer", color=INK)
    else:
        axes.xaxis.set_major_locator(round_ticks(8, whole=True))
        axes.set_xlabel("layer (number)", color=INK)
