"""Confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, PAPER, bare, new_figure

_NAMED = 30  # classes up to which names and counts are readable
_LONGEST_NAME = 18  # characters


def confusion_matrix(confusion: np.ndarray, class_names: Sequence[str], *, figure: Figure | SubFigure | None = None) -> Axes:
    """Draws how often each true class was taken for each class.

    Cells are as dark as the square root of their share of the row, so that rare mistakes show beside the diagonal. Above 30
    classes, names and counts give way to class numbers.

    Args:
        confusion: Counts `(classes, classes)`: rows are true classes, columns predicted ones.
        class_names: Names in the order of the rows.
        figure: Figure to draw into; a new one of fitting size if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: The matrix is not square or does not fit the names.
    """
    counts = np.asarray(confusion)
    n = len(class_names)
    if counts.shape != (n, n):
        raise ValueError(
            "`confusion` must be square with one row for each class. "
            f"Received: confusion.shape={counts.shape}, {n} class names."
        )
    side = float(np.clip(0.42 * n, 1.4, 5.2))
    axes = bare((figure or new_figure(side + 1.5, side + 1.3)).add_subplot())
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = np.empty((n, n, 4))  # one colour, the share in its opacity: what lies behind shows through, light or dark
    cells[..., :3], cells[..., 3] = to_rgb(FIRST), np.sqrt(shares)
    axes.imshow(cells, interpolation="none")
    axes.spines[:].set_visible(False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted class", color=INK)
    axes.set_ylabel("true class", color=INK)
    if n <= _NAMED:
        _write_names(axes, [_shortened(name) for name in class_names])
        _write_counts(axes, counts, shares)
    else:
        axes.tick_params(labelsize=FONT_SIZE - 1)
        axes.set_xlabel("predicted class (number)", color=INK)
        axes.set_ylabel("true class (number)", color=INK)
    return axes


def _write_names(axes: Axes, names: list[str]) -> None:
    axes.set_xticks(range(len(names)), names, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(labelcolor=INK)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    size = FONT_SIZE if len(counts) <= 12 else FONT_SIZE - 3
    for row, column in np.argwhere(counts):
        dark = np.sqrt(shares[row, column]) > 0.72
        axes.text(
            column,
            row,
            f"{counts[row, column]:d}",
            ha="center",
            va="center_baseline",
            fontsize=size,
            color=PAPER if dark else (INK if row != column else MUTED),
            fontweight="bold" if row == column else "normal",
        )


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
