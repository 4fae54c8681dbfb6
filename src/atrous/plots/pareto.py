"""A Pareto front, one picture a cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.patheffects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, PAPER, RULE, bare, new_figure

_PANEL = (2.9, 2.6)  # inches
_LINE = 0.062  # height of a line of text, as a share of the axes
_TICKS = 10
_LOGARITHMIC = 8.0  # from this ratio of largest to least on, the axis is logarithmic


def pareto_front(
    x: Sequence[float],
    costs: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draws points over one cost in common and, a picture each, over every other cost.

    Points carry their number, counted from 1. A line leads along those that no other point beats in the two costs of the
    picture; the others stand out by hollow marks, and are on the front for another cost.

    Args:
        x: The cost in common, `(points,)`.
        costs: By name with unit, `(points,)` each.
        xlabel: Name of `x`.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        One axes a cost.

    Raises:
        ValueError: There is no point or no cost, or costs differ in length.
    """
    if not len(x) or not costs or any(len(values) != len(x) for values in costs.values()):
        raise ValueError(
            "`costs` must hold one value for each point of `x`, and there must be a point and a cost. "
            f"Received: {len(x)} points, and {[len(values) for values in costs.values()]} values."
        )
    figure = figure or new_figure(_PANEL[0] * len(costs), _PANEL[1])
    panels = [bare(figure.add_subplot(1, len(costs), index + 1)) for index in range(len(costs))]
    for axes, (name, values) in zip(panels, costs.items(), strict=True):
        _draw(axes, np.asarray(x, float), np.asarray(values, float))
        axes.set_xlabel(xlabel, color=INK)
        axes.set_title(name, loc="left", fontsize=FONT_SIZE, color=INK)
    return panels


def _draw(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    best = np.array([not np.any((x <= a) & (y <= b) & ((x < a) | (y < b))) for a, b in zip(x, y, strict=True)])
    front = np.flatnonzero(best)[np.argsort(x[best], kind="stable")]
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.step(x[front], y[front], where="post", color=FIRST, linewidth=1.4)
    for mask, face in ((best, FIRST), (~best, PAPER)):
        axes.plot(x[mask], y[mask], "o", markersize=5, markeredgecolor=FIRST, markerfacecolor=face, zorder=3)
    low, high = y.min(), y.max() or 1.0
    if low > 0 and high > _LOGARITHMIC * low:
        axes.set_yscale("log")
        low, high = low / (high / low) ** 0.08, high * (high / low) ** 0.08
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        low, high = 0.0, 1.12 * high
    axes.set_ylim(low, high)
    axes.set_xlim(x.min() - 0.5, x.max() + 0.8)
    columns = np.unique(x)
    axes.xaxis.set_major_locator(
        FixedLocator(columns.tolist()) if len(columns) <= _TICKS else MaxNLocator(integer=True, nbins=_TICKS)
    )
    axes.yaxis.set_major_formatter(EngFormatter())
    heights = axes.transAxes.inverted().transform(axes.transData.transform(np.column_stack([x, y])))[:, 1]
    halo = matplotlib.patheffects.withStroke(linewidth=2.5, foreground=PAPER)
    for column in columns:
        points = np.flatnonzero(x == column)
        for point, height in zip(points, _apart(heights[points]), strict=True):
            axes.annotate(
                str(point + 1),
                (x[point], height),
                xycoords=axes.get_xaxis_transform(),
                xytext=(5, 4),
                textcoords="offset points",
                fontsize=FONT_SIZE - 1,
                color=INK if best[point] else MUTED,
                va="center",
                path_effects=[halo],
            )


def _apart(heights: np.ndarray) -> np.ndarray:
    """Heights within the axes that are a line of text apart, if there is room, each as near to its own as that allows."""
    low, high = 0.03, 0.97
    line = min(_LINE, (high - low) / max(len(heights) - 1, 1))
    order = np.argsort(heights, kind="stable")
    placed = np.maximum.accumulate(np.maximum(heights[order], low) - line * np.arange(len(order))) + line * np.arange(
        len(order)
    )
    from_top = high - line * np.arange(len(order))[::-1]
    result = np.empty(len(order))
    result[order] = np.minimum(placed, from_top)
    return result
