"""How a figure changes along a sequence."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from atrous.plots.style import FIRST, INK, RULE, bare, new_figure


def by_position(
    positions: Sequence[float],
    values: Sequence[float],
    *,
    label: str,
    position: str = "step",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws a mean at each position of sequences.

    Args:
        positions: Ascending, `(n,)`.
        values: The mean there, `(n,)`.
        label: What the vertical axis is called.
        position: What the horizontal axis is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: Lengths differ, or there is nothing to draw.
    """
    if len(positions) != len(values) or not len(values):
        raise ValueError(f"`values` must be as many as `positions`, one or more. Received: {len(values)} and {len(positions)}.")
    axes = bare((figure or new_figure(4.4, 2.9)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.plot(positions, values, color=FIRST, linewidth=1.8, marker="o" * (len(values) < 3))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(position, color=INK)
    axes.set_ylabel(label, color=INK)
    return axes
