"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, RULE, SECOND, bare, new_figure


def learning_curves(
    training: Sequence[float] | None,
    validation: Sequence[float],
    *,
    metric: str,
    best_epoch: int | None = None,
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws one metric over the epochs, training dashed and validation solid.

    Args:
        training: The metric on training data, `(epochs,)`; `None` if it isn't measured there.
        validation: The same on validation data, `(epochs,)`.
        metric: Its name and unit, the label of the vertical axis.
        best_epoch: Epoch to mark, counted from 1.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: The two series differ in length, or are empty.
    """
    measured = validation if training is None else training
    if len(measured) != len(validation) or not len(validation):
        raise ValueError(
            "`training` and `validation` must hold one value for each epoch. "
            f"Received: {len(measured)} and {len(validation)} values."
        )
    axes = bare((figure or new_figure(4.4, 2.9)).add_subplot())
    epochs = np.arange(1, len(validation) + 1)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    if best_epoch is not None:
        axes.axvline(best_epoch, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.plot(best_epoch, validation[best_epoch - 1], "o", color=FIRST, markersize=6, zorder=4)
    series: dict[str, tuple[Sequence[float], str]] = {"validation": (validation, FIRST)}
    if training is not None:
        axes.plot(epochs, training, color=SECOND, linewidth=1.6, linestyle=(0, (4, 2)), marker=_marker(epochs), markersize=4)
        series = {"training": (training, SECOND), **series}
    axes.plot(epochs, validation, color=FIRST, linewidth=2.0, marker=_marker(epochs), markersize=4)
    _label_ends(axes, epochs[-1], series)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_xlim(min(0.7, 1 - 0.02 * len(epochs)), len(epochs) + 0.3)
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel(metric, color=INK)
    if best_epoch is not None:
        axes.set_title(f"best epoch: {best_epoch}", loc="left", fontsize=FONT_SIZE, color=MUTED)
    return axes


def compared_curves(series: Mapping[str, Sequence[float]], *, metric: str, figure: Figure | SubFigure | None = None) -> Axes:
    """Draws one metric of several runs over their epochs; dashes tell them apart as well as colours.

    Args:
        series: A name and a value an epoch for each run.
        metric: Its name and unit, the label of the vertical axis.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: There is no run, or one without epochs.
    """
    if not series or not all(len(values) for values in series.values()):
        raise ValueError(f"`series` must hold a value for each epoch of each run. Received: {dict(series)}.")
    axes = bare((figure or new_figure(4.4, 2.9)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    dashes = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
    for i, (name, values) in enumerate(series.items()):
        epochs = np.arange(1, len(values) + 1)
        color = (FIRST, SECOND, INK, MUTED)[i % 4]
        axes.plot(epochs, values, color=color, linewidth=1.8, linestyle=dashes[i // 4 % 4], marker=_marker(epochs), label=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel(metric, color=INK)
    axes.legend(frameon=False, fontsize=FONT_SIZE, labelcolor=INK)
    return axes


def _marker(epochs: np.ndarray) -> str:
    """A single epoch is a point: without a marker nothing would show."""
    return "o" if len(epochs) < 3 else ""


def _label_ends(axes: Axes, epoch: int, series: dict[str, tuple[Sequence[float], str]]) -> None:
    """Writes each series' name at its end, the higher one above, so that no legend has to be looked up."""
    ends = sorted(series.items(), key=lambda item: float(np.nan_to_num(item[1][0][-1])))
    for (name, (values, color)), va, shift in zip(ends, ("top", "bottom"), (-3, 3), strict=False):
        if np.isfinite(values[-1]):
            axes.annotate(
                name,
                (epoch, values[-1]),
                xytext=(6, shift),
                textcoords="offset points",
                color=color,
                fontsize=FONT_SIZE,
                va=va,
                annotation_clip=False,
            )
