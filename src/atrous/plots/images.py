"""Grids of images and of feature maps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from atrous.plots.style import FONT_SIZE, INK, MUTED, new_figure

_LARGEST_SIDE = 256  # pixels of an image drawn; a larger one is thinned out, for a drawing is seldom wider than 500


def image_grid(
    images: Sequence[np.ndarray],
    captions: Sequence[str],
    *,
    columns: int = 6,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draws captioned images, row by row.

    Args:
        images: Each `(height, width, 1 or 3)` with values 0..255, or `(height, width)`.
        captions: A line or two for each image: predicted and true class, say.
        columns: Images in a row.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        One axes an image.

    Raises:
        ValueError: There is no image, or not one caption for each.
    """
    if len(images) != len(captions) or not len(images):
        raise ValueError(
            "`captions` must be one for each image, and there must be an image. "
            f"Received: {len(images)} images, {len(captions)} captions."
        )
    rows = math.ceil(len(images) / columns)
    figure = figure or new_figure(1.5 * columns, 1.8 * rows)
    every = [figure.add_subplot(rows, columns, index + 1) for index in range(len(images))]
    for axes, image, caption in zip(every, images, captions, strict=True):
        show_image(axes, image)
        axes.set_axis_off()
        axes.set_title(caption, fontsize=FONT_SIZE, color=INK)
    return every


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Draws a gray or colour image, 0..255, on a scale that is the same for every image; coordinates are its pixels."""
    height, width = image.shape[:2]
    step = -(-max(height, width) // _LARGEST_SIDE)
    pixels = np.asarray(image)[::step, ::step].astype("float64") / 255.0
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    axes.imshow(
        pixels.clip(0, 1), cmap="gray", vmin=0, vmax=1, interpolation="none", extent=(-0.5, width - 0.5, height - 0.5, -0.5)
    )


def feature_maps(
    maps: np.ndarray,
    *,
    limit: int = 64,
    columns: int = 8,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws the channels of one activation, the strongest first, all on one scale, which a colour bar shows.

    Args:
        maps: Activation `(height, width, channels)`.
        limit: Channels shown at most.
        columns: Channels in a row.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes: an image a channel, each under the channel's number.

    Raises:
        ValueError: `maps` has another rank.
    """
    maps = np.asarray(maps)
    if maps.ndim != 3:
        raise ValueError(f"`maps` must have shape (height, width, channels). Received: maps.shape={maps.shape}.")
    order = np.argsort(-np.abs(maps).max(axis=(0, 1)), kind="stable")[:limit]
    columns = min(columns, len(order))
    rows = math.ceil(len(order) / columns)
    height = maps.shape[0] / maps.shape[1]  # of a tile, whose width is 1
    pitch = height + 0.42
    across, down = 1.12 * columns - 0.12, pitch * rows + 0.05
    figure = figure or new_figure(0.56 * across, 0.56 * down + 0.55)  # and room for the colour bar
    axes = figure.add_subplot()
    low, high = min(float(maps.min()), 0.0), max(float(maps.max()), 0.0)
    high = high if high > low else 1.0
    for place, channel in enumerate(order):  # all in one axes: dozens of them would take seconds to lay out
        left, top = 1.12 * (place % columns), pitch * (place // columns)
        extent = (left, left + 1, top + height, top)
        axes.imshow(maps[..., channel], cmap="viridis", vmin=low, vmax=high, interpolation="none", extent=extent)
        axes.text(left + 0.5, top - 0.05, str(channel), fontsize=FONT_SIZE - 2, color=MUTED, ha="center", va="bottom")
    axes.set_xlim(0, across)
    axes.set_ylim(down - 0.35, -0.35)
    axes.set_axis_off()
    _color_bar(figure, axes)
    return axes


def _color_bar(figure: Figure | SubFigure, axes: Axes) -> None:
    bar = figure.colorbar(axes.images[0], ax=axes, location="bottom", aspect=50, pad=0.01, fraction=0.03)
    bar.set_label("activation", fontsize=FONT_SIZE, color=INK)
    bar.ax.tick_params(colors=MUTED, labelsize=FONT_SIZE - 1, length=0)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)  # one image instead of 256 paths in a vector file
