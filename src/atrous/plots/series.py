"""A series, with what in it speaks for its class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from atrous.plots.style import FIRST, MUTED, RULE, SECOND, bare, new_figure

_THIN, _THICK = 0.8, 4.2  # points


def evidence(
    series: ArrayLike, weights: ArrayLike, *, limit: float | None = None, figure: Figure | SubFigure | None = None
) -> Axes:
    """Draws a series, and behind it a line that is the thicker the more a step speaks for a class, or against it.

    Args:
        series: `(steps, channels)`; channels are drawn one above the other.
        weights: `(steps,)`: what each step adds; above 0 it speaks for the class, below against it.
        limit: The weight that is drawn thickest; by default the largest there is.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: There are not as many weights as steps.
    """
    values, added = np.asarray(series, float), np.asarray(weights, float)
    if values.ndim != 2 or len(values) != len(added) or not len(values):
        raise ValueError(
            f"`series` must be (steps, channels), with a weight a step. Received: shapes {values.shape} and {added.shape}."
        )
    channels = values.shape[1]
    axes = bare((figure or new_figure(4.4, 2.0 + 0.35 * min(channels, 8))).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    steps = np.arange(len(values))
    offsets = _offsets(values)
    share = np.abs(added) / max(limit or float(np.abs(added).max()), 1e-12)
    for channel, offset in enumerate(offsets):
        line = values[:, channel] + offset
        points = np.stack([steps, line], axis=1)
        for color, chosen in ((SECOND, added < 0), (FIRST, added > 0)):
            _thick(axes, points, share, chosen, color)
        axes.plot(steps, line, color=MUTED, linewidth=_THIN, marker="o" * (len(values) == 1), markersize=3)
    if channels > 1:
        axes.set_yticks(offsets, [str(i + 1) for i in range(channels)])
        axes.set_ylabel("channel")
        axes.grid(visible=False)
    axes.set_xlim(0, max(1, len(values) - 1))
    axes.set_xlabel("step")
    return axes


def _thick(axes: Axes, points: np.ndarray, share: np.ndarray, chosen: np.ndarray, color: str) -> None:
    """Pieces of the line from halfway before each step to halfway behind it."""
    middles = (points[:-1] + points[1:]) / 2
    before, behind = np.concatenate([points[:1], middles]), np.concatenate([middles, points[-1:]])
    rows = np.flatnonzero(chosen & (share > 0.03))
    pieces: Sequence[np.ndarray] = [np.stack([before[i], points[i], behind[i]]) for i in rows]
    axes.add_collection(
        LineCollection(pieces, colors=color, linewidths=list(_THICK * np.sqrt(np.minimum(share[rows], 1))), capstyle="round")
    )


def _offsets(values: np.ndarray) -> np.ndarray:
    """What each channel is moved by, so that none crosses another; the first one is on top."""
    if values.shape[1] == 1:
        return np.zeros(1)
    spans = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
    step = float(spans.max()) or 1.0
    return -step * np.arange(values.shape[1])
