"""Sound as a picture: time across, frequency up."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from atrous.plots.style import WHITE, bare, bordered, new_figure

COLOURS = "magma"
"""Dark is quiet, light is loud, also in grey."""
_RANGE = (2.0, 99.8)  # percentiles of the values that colours are given to


def spectrogram(
    values: NDArray[np.float32],
    seconds: float,
    *,
    ticks: Sequence[tuple[float, str]] = (),
    field: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws a spectrogram, and what one step of a network sees of it.

    Args:
        values: (frames, bands), logarithms.
        seconds: Length of all frames.
        ticks: Bands that are labelled, counted from 0, and how.
        field: Where a field begins and ends, in seconds.
        limits: Values of the darkest and the lightest colour; by default nearly the least and the largest.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.
    """
    axes = bare((figure or new_figure(9.0, 2.6)).add_subplot())
    low, high = limits or (np.percentile(values, _RANGE) if values.size else (0.0, 1.0))
    axes.imshow(
        np.asarray(values, np.float32).T,
        cmap=COLOURS,
        vmin=low,
        vmax=max(high, low + 1e-6),
        origin="lower",
        aspect="auto",
        extent=(0.0, seconds, -0.5, values.shape[1] - 0.5),
        interpolation="nearest",
    )
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    axes.set_xlabel("seconds")
    axes.spines[["left", "bottom"]].set_visible(False)
    if field is not None:
        first, last = max(field[0], 0.0), min(field[1], seconds)
        for at in (first, last):
            bordered(axes.axvline(at, color=WHITE, linewidth=1.6), 1.6)
    return axes


def pixels(values: NDArray[np.float32], height: int = 80, width: int = 192) -> NDArray[np.uint8]:
    """A small spectrogram as an image, (height, width, 3), 0..255: nearest frames and bands, low ones at the bottom.

    Args:
        values: (frames, bands), logarithms.
        height: Pixels.
        width: Pixels.
    """
    low, high = np.percentile(values, _RANGE)
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1).T[::-1]
    rows = np.linspace(0, len(scaled) - 1, height).round().astype(int)
    columns = np.linspace(0, scaled.shape[1] - 1, width).round().astype(int)
    coloured = matplotlib.colormaps[COLOURS](scaled[np.ix_(rows, columns)])[..., :3]
    return np.asarray((255 * coloured).round(), np.uint8)
