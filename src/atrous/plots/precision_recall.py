"""Precision over recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, RULE, SECOND, bare, new_figure


def precision_recall(
    curves: Mapping[str, Sequence[float]],
    *,
    colors: Mapping[str, str] | None = None,
    point: tuple[float, float] | None = None,
    note: str = "",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws how precision falls as more is found: every curve thin, and their mean.

    Args:
        curves: Of each class, precisions at equally spaced recalls from 0 to 1.
        colors: Of curves, by name; others are gray.
        point: Recall and precision to mark.
        note: What is said beside the point.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: There is no curve, or they differ in length.
    """
    values = np.array([list(each) for each in curves.values()] if len({len(c) for c in curves.values()}) == 1 else [])
    if not values.size:
        raise ValueError(
            "`curves` must have at least one curve, all of one length. "
            f"Received: curves of {[len(each) for each in curves.values()]} values."
        )
    axes = bare((figure or new_figure(4.4, 2.9)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    across = np.linspace(0, 1, values.shape[1])
    if len(values) > 1:
        for name, each in zip(curves, values, strict=True):
            axes.plot(across, each, color=(colors or {}).get(name, MUTED), linewidth=1.2)
    mean = values.mean(axis=0)
    axes.plot(across, mean, color=FIRST, linewidth=2.4)
    axes.fill_between(across, mean, color=FIRST, alpha=0.08, linewidth=0)
    if point is not None:
        axes.plot(*point, "o", color=SECOND, markersize=6, zorder=4)
        axes.annotate(
            note,
            point,
            xytext=(7, 5),
            textcoords="offset points",
            color=SECOND,
            fontsize=FONT_SIZE,
            ha="left",
        )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("recall: share of the objects that is found", color=INK)
    axes.set_ylabel("precision", color=INK)
    return axes
