"""Sizes of things beside what a network sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, RULE, SECOND, bare, new_figure

_FAR = 1.6  # times the largest thing


def sizes_and_fields(
    sizes: Sequence[float],
    fields: Mapping[str, float],
    *,
    scores: Sequence[float] | None = None,
    score: str = "IoU",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws every thing as a point, its size across and how well it is found up; vertical lines are fields.

    Args:
        sizes: Of each thing, in pixels.
        fields: Named fields, in pixels.
        scores: Of each thing, 0..1; `None`: their share that is smaller.
        score: What the vertical axis is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: There is nothing to draw, or not one score for each thing.
    """
    if not len(sizes) or (scores is not None and len(scores) != len(sizes)):
        raise ValueError(
            "`sizes` must have at least one entry, and `scores` one for each. "
            f"Received: {len(sizes)} sizes, {'no' if scores is None else len(scores)} scores."
        )
    axes = bare((figure or new_figure(6.2, 2.8)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    order = np.argsort(sizes, kind="stable")
    across = np.asarray(sizes, float)[order]
    up = (np.arange(len(across)) + 1) / len(across) if scores is None else np.asarray(scores, float)[order]
    axes.plot(across, up, "o", color=FIRST, alpha=0.45, markersize=4, markeredgewidth=0)
    if scores is not None and len(across) >= 12:
        groups = np.array_split(np.arange(len(across)), 6)
        axes.plot([across[g].mean() for g in groups], [up[g].mean() for g in groups], color=INK, linewidth=1.6)
    within = [field for field in fields.values() if field <= _FAR * across[-1]]  # one far beyond is pointed at
    end = 1.08 * max([float(across[-1]), *within])
    for i, (name, field) in enumerate(fields.items()):
        axes.axvline(min(field, end), color=SECOND, linewidth=1.4, linestyle="-" if i == 0 else (0, (4, 2)))
        axes.annotate(
            f"{name}: {field:,.0f}{' →' * (field > end)}",
            (min(field, end), 1.0),
            xytext=(-4, 3 + 11 * i),
            textcoords="offset points",
            xycoords=("data", "axes fraction"),
            color=SECOND,
            fontsize=FONT_SIZE,
            ha="right",
            va="bottom",
            annotation_clip=False,
        )
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(0, end)
    axes.set_xlabel("size: longer side, in pixels", color=INK)
    axes.set_ylabel(score if scores is not None else "share that is smaller", color=INK)
    axes.tick_params(colors=MUTED)
    return axes
