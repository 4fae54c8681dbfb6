"""Piano rolls."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from atrous.plots.style import FONT_SIZE, INK, RULE, bare, new_figure

_TINT = (0.13, 0.57, 0.72)  # of probabilities, on light and dark pages
_MARGIN = 2  # keys above the highest and below the lowest
_OCTAVE = 12


def piano_roll(
    roll: ArrayLike,
    probabilities: ArrayLike,
    *,
    lowest: int = 21,
    first: int = 1,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws which keys sounded, and under it how probable each was said to be before.

    Args:
        roll: (steps, keys), 0 or 1.
        probabilities: The same shape, 0..1.
        lowest: MIDI number of the first key; 21 is A0, the lowest of a piano.
        first: Number of the first step.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes of the roll.

    Raises:
        ValueError: The shapes differ.
    """
    true, said = np.asarray(roll), np.asarray(probabilities, float)
    if true.ndim != 2 or true.shape != said.shape:
        raise ValueError(f"`probabilities` must have the roll's shape, {true.shape}. Received: {said.shape}.")
    used = np.flatnonzero((true > 0).any(axis=0) | (said > 0.5).any(axis=0))
    low, high = (int(used[0]), int(used[-1])) if len(used) else (0, true.shape[1] - 1)
    low, high = max(0, low - _MARGIN), min(true.shape[1] - 1, high + _MARGIN)
    above, below = (figure or new_figure(6.4, 4.2)).subplots(2, sharex=True, sharey=True)
    for axes, title in ((above, "what came"), (below, "how probable it was said to be")):
        bare(axes)
        axes.set_title(title, loc="left", fontsize=FONT_SIZE, color=INK)
        axes.set_yticks([key for key in range(low, high + 1) if (lowest + key) % _OCTAVE == 0])
        axes.yaxis.set_major_formatter(lambda key, _: f"C{(lowest + round(key)) // _OCTAVE - 1}")
        axes.grid(axis="y", color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
    for key in range(low, high + 1):
        above.broken_barh(_runs(true[:, key], first), (key - 0.4, 0.8), color=INK, linewidth=0)
    cells = np.zeros((high - low + 1, len(true), 4))
    cells[..., :3], cells[..., 3] = _TINT, said[:, low : high + 1].T
    extent = (first - 0.5, first + len(true) - 0.5, low - 0.5, high + 0.5)
    below.imshow(cells, origin="lower", aspect="auto", interpolation="nearest", extent=extent)
    below.set_xlabel("step", color=INK)
    below.set_xlim(extent[:2])
    below.set_ylim(extent[2:])
    return above  # type: ignore[no-any-return]


def _runs(key: Any, first: int) -> list[tuple[float, float]]:
    """Where a key sounds without a break: begin and length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(key) > 0, [0]]).astype(int)))
    return [(first + begin - 0.5, end - begin) for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]
