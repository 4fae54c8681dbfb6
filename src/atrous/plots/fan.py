"""Forecasts with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, RULE, SECOND, bare, new_figure


def fan_chart(
    quantiles: Mapping[float, Sequence[float]],
    *,
    past: Sequence[float] = (),
    actual: Sequence[float] | None = None,
    others: Mapping[str, Sequence[float]] | None = None,
    times: Sequence[Any] | None = None,
    unit: str = "",
    median: str = "median",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws a forecast behind what was known: the median as a line, a band between each quantile and its opposite.

    Args:
        quantiles: For each quantile, 0..1, a value a step ahead, `(horizon,)`; the median, 0.5, among them.
        past: What was known, `(steps,)`; missing values NaN.
        actual: What came, `(horizon,)`; missing values NaN.
        others: Other forecasts to compare with, dashed, `(horizon,)` each.
        times: Of past and horizon together, as `matplotlib.dates` takes them; by default steps, 0 the first ahead.
        unit: What the vertical axis is called.
        median: What the median is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: The median is missing, or lengths differ.
    """
    lengths = {len(values) for values in quantiles.values()}
    lengths |= {len(values) for values in (others or {}).values()} | ({len(actual)} if actual is not None else set())
    if 0.5 not in quantiles or len(lengths) != 1:
        raise ValueError(
            "`quantiles` must have the median, 0.5, and `actual` and `others` as many steps as each quantile. "
            f"Received: quantiles {', '.join(map(str, quantiles))}, of {sorted(lengths)} steps."
        )
    (horizon,) = lengths
    axes = bare((figure or new_figure(4.4, 2.9)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    across: Any = np.arange(-len(past), horizon) if times is None else matplotlib.dates.date2num(list(times))
    if len(across) != len(past) + horizon:
        raise ValueError(f"`times` must be {len(past) + horizon}: of past and horizon. Received: {len(across)}.")
    before, ahead = across[: len(past)], across[len(past) :]
    ordered = sorted(quantiles)
    bands = [(low, high) for low, high in zip(ordered, reversed(ordered), strict=True) if low < high]
    for low, high in bands:
        axes.fill_between(ahead, quantiles[low], quantiles[high], color=FIRST, alpha=0.22, linewidth=0)
    axes.plot(before, past, color=MUTED, linewidth=1.2)
    if actual is not None:
        joined = [past[-1], *actual] if len(past) else list(actual)
        axes.plot(np.concatenate([before[-1:], ahead]), joined, color=INK, linewidth=1.4, label="what came")
    axes.plot(ahead, quantiles[0.5], color=FIRST, linewidth=2.0, label=median)
    for i, (name, values) in enumerate((others or {}).items()):
        axes.plot(ahead, values, color=SECOND, linewidth=1.1, linestyle=((0, (4, 2)), (0, (1, 1.5)))[i % 2], label=name)
    if len(past):
        axes.axvline(ahead[0], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
    if times is None:
        axes.set_xlabel("steps ahead", color=INK)
    else:
        locator = matplotlib.dates.AutoDateLocator(minticks=2, maxticks=5)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))
        axes.xaxis.get_offset_text().set(color=MUTED, fontsize=FONT_SIZE)
    axes.set_xlim(across[0], across[-1])
    axes.set_ylabel(unit, color=INK)
    axes.yaxis.set_major_formatter("{x:,.10g}")
    _legend_above(axes)
    return axes


def errors_by_step(errors: Mapping[str, Sequence[float]], *, label: str, figure: Figure | SubFigure | None = None) -> Axes:
    """Draws how the error of forecasts grows with the steps ahead; the first one thick, the others dashed.

    Args:
        errors: For each forecaster a mean error a step ahead, `(horizon,)`.
        label: What the vertical axis is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: There is nothing to draw, or lengths differ.
    """
    if len({len(values) for values in errors.values()}) != 1:
        raise ValueError(
            f"`errors` must have an error a step ahead, as many for each. Received: {[len(v) for v in errors.values()]}."
        )
    axes = bare((figure or new_figure(4.4, 2.9)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    styles = [(FIRST, "-", 2.0), (SECOND, (0, (4, 2)), 1.4), (MUTED, (0, (1, 1.5)), 1.4), (INK, (0, (6, 2, 1, 2)), 1.2)]
    for i, (name, values) in enumerate(errors.items()):
        color, dashes, width = styles[i % len(styles)]
        steps = np.arange(1, len(values) + 1)
        axes.plot(steps, values, color=color, linestyle=dashes, linewidth=width, label=name, marker="o" * (len(values) < 3))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("steps ahead", color=INK)
    axes.set_ylabel(label, color=INK)
    _legend_above(axes)
    return axes


def _legend_above(axes: Axes) -> None:
    """In a row above the axes: inside, it would lie over the series, wherever these go."""
    axes.legend(
        frameon=False,
        fontsize=FONT_SIZE - 1,
        labelcolor=INK,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        columnspacing=1.2,
        handlelength=1.6,
        borderpad=0,
    )
