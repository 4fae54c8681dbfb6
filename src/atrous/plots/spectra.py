"""Long-term average spectra beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, RULE, SECOND, bare, new_figure

_STYLES = ((INK, "-", 1.6), (FIRST, "-", 2.0), (MUTED, (0, (1, 1.5)), 1.4), (SECOND, (0, (4, 2)), 1.4))
_TICKS = (100, 200, 500, 1000, 2000, 4000, 8000, 16000)


def average_spectra(
    spectra: Mapping[str, Sequence[float]], hertz: Sequence[float], *, figure: Figure | SubFigure | None = None
) -> Axes:
    """Draws spectra over a logarithmic axis of frequencies; the first one in ink, the second thick, others dashed.

    Args:
        spectra: For each sound the level of each band in dB, `(bands,)`.
        hertz: The middle of each band.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: Lengths differ, or there is nothing to draw.
    """
    lengths = {len(hertz), *(len(levels) for levels in spectra.values())}
    if not spectra or len(lengths) != 1:
        raise ValueError(
            f"`spectra` must have a level for each of `hertz`. Received: {sorted(lengths)} of {len(spectra)} spectra."
        )
    axes = bare((figure or new_figure(4.6, 3.0)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    for i, (name, levels) in enumerate(spectra.items()):
        color, dashes, width = _STYLES[i % len(_STYLES)]
        axes.plot(np.asarray(hertz), levels, color=color, linestyle=dashes, linewidth=width, label=name)
    axes.set_xscale("log")
    ticks = [tick for tick in _TICKS if min(hertz) / 1.3 <= tick <= 1.3 * max(hertz)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{tick // 1000} k" if tick >= 1000 else str(tick) for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Hz", color=INK)
    axes.set_ylabel("dB", color=INK)
    axes.legend(
        frameon=False,
        fontsize=FONT_SIZE - 1,
        labelcolor=INK,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        borderpad=0,
    )
    return axes
