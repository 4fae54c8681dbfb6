"""What was said beside what is true."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from atrous.plots.style import FIRST, INK, MUTED, RULE, bare, new_figure


def true_and_said(true: Sequence[float], said: Sequence[float], *, figure: Figure | SubFigure | None = None) -> Axes:
    """Draws a dot an example, and the line on which all lie if nothing is wrong.

    Args:
        true: (n,).
        said: (n,).
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: Lengths differ, or there is nothing to draw.
    """
    if len(true) != len(said) or not len(true):
        raise ValueError(f"`said` must be as many as `true`, one or more. Received: {len(said)} and {len(true)}.")
    axes = bare((figure or new_figure(3.6, 3.4)).add_subplot())
    axes.grid(color=RULE, linewidth=0.6)
    low, high = min(*true, *said), max(*true, *said)
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1.0, linestyle=(0, (4, 2)))
    axes.scatter(true, said, s=7, color=FIRST, alpha=0.6, linewidths=0)
    axes.set_xlabel("true", color=INK)
    axes.set_ylabel("said", color=INK)
    axes.set_aspect("equal")
    return axes
