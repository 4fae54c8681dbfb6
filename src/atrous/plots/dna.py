"""What a network says along DNA: scores beside sites, precision over recall beside a baseline, sequence logos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D
from numpy.typing import ArrayLike, NDArray

from atrous.plots.style import FIRST, FONT_SIZE, INK, MUTED, RULE, SECOND, bare, new_figure

_COLORS = (FIRST, SECOND)
_LETTERS = "ACGT"
_LETTER_COLORS = (FIRST, SECOND, INK, MUTED)


def score_track(
    scores: Mapping[str, ArrayLike],
    sites: Mapping[str, Sequence[int]],
    *,
    least: float = 0.02,
    first: int = 0,
    step: int = 1,
    baseline: Mapping[str, ArrayLike] | None = None,
    label: str = "probability",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws scores along a window, one kind of site upwards, the next downwards, and triangles where sites are.

    Args:
        scores: Of one or two types, a score a base, `(bases,)`, 0..1.
        sites: Places in the window of the sites of each.
        least: Scores below are left out.
        first: Position of the window's first base.
        step: From a base to the next on the axis: −1 for the − strand.
        baseline: Other scores of the same types, 0..1, drawn thin and gray.
        label: What the vertical axis is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: There are no types, more than two, or lengths differ.
    """
    values = {name: np.asarray(each, float) for name, each in scores.items()}
    lengths = {len(each) for each in (*values.values(), *map(np.asarray, (baseline or {}).values()))}
    if not 1 <= len(values) <= 2 or len(lengths) != 1:
        raise ValueError(
            f"`scores` must be of one or two types, all as long. Received: {', '.join(scores) or 'none'}, of {sorted(lengths)} "
            "bases."
        )
    (bases,) = lengths
    axes = bare((figure or new_figure(8.6, 2.1)).add_subplot())
    across = first + step * np.arange(bases, dtype=float)
    for i, (name, each) in enumerate(values.items()):
        up = 1 - 2 * i
        if baseline is not None:
            axes.plot(*_bars(across, up * np.asarray(baseline[name], float), least), color=MUTED, linewidth=0.7, alpha=0.7)
        axes.plot(*_bars(across, up * each, least), color=_COLORS[i], linewidth=1.6)
        places = np.asarray(sites.get(name, ()), int)
        if len(places):
            axes.plot(across[places], np.full(len(places), up * 1.14), "v^"[i], color=_COLORS[i], markersize=5, clip_on=False)
        axes.plot([], [], "v^"[i], color=_COLORS[i], markersize=5, label=name)
    axes.axhline(0, color=RULE, linewidth=0.8)
    axes.set_ylim(-1.2 if len(values) > 1 else 0, 1.2)
    axes.set_yticks([-1, 0, 1] if len(values) > 1 else [0, 1], ["1", "0", "1"] if len(values) > 1 else ["0", "1"])
    axes.set_xlim(*sorted((across[0], across[-1]))[:: 1 if step > 0 else -1])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel(label, color=INK)
    _legend_above(axes)
    return axes


def precision_curves(
    curves: Mapping[str, Sequence[float]],
    *,
    point: tuple[float, float] | None = None,
    note: str = "",
    figure: Figure | SubFigure | None = None,
) -> Axes:
    """Draws precision over recall of several ways to tell one thing; the first one thick, the others dashed.

    Args:
        curves: Of each, precisions at equally spaced recalls from 0 to 1.
        point: Recall and precision to mark.
        note: What is said beside the point.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: There is no curve.
    """
    if not curves:
        raise ValueError("`curves` must have at least one curve. Received: none.")
    axes = bare((figure or new_figure(4.4, 2.9)).add_subplot())
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    styles: list[tuple[str, Any, float]] = [(FIRST, "-", 2.2), (SECOND, (0, (4, 2)), 1.5), (MUTED, (0, (1, 1.5)), 1.4)]
    for i, (name, each) in enumerate(curves.items()):
        color, dashes, width = styles[i % len(styles)]
        axes.plot(np.linspace(0, 1, len(each)), each, color=color, linestyle=dashes, linewidth=width, label=name)
    if point is not None:
        axes.plot(*point, "o", color=FIRST, markersize=6, zorder=4)
        axes.annotate(note, point, xytext=(7, 5), textcoords="offset points", color=INK, fontsize=FONT_SIZE, ha="left")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("recall: share of the sites that is called", color=INK)
    axes.set_ylabel("precision", color=INK)
    _legend_above(axes)
    return axes


def sequence_logo(counts: ArrayLike, *, first: int = 0, label: str = "bits", figure: Figure | SubFigure | None = None) -> Axes:
    """Draws a sequence logo: at each place the bases, as high as they tell (Schneider & Stephens 1990).

    The height of a stack is 2 bits less the entropy of its bases; each base has its share of it.

    Args:
        counts: `(places, 4)`, of A, C, G and T.
        first: Offset of the first place.
        label: What the vertical axis is called.
        figure: Figure to draw into; a new one if `None`.

    Returns:
        The axes.

    Raises:
        ValueError: `counts` isn't so.
    """
    table = np.asarray(counts, float)
    if table.ndim != 2 or table.shape[1] != len(_LETTERS) or not (table.sum(axis=1) > 0).all():
        raise ValueError(f"`counts` must be (places, 4), with bases at each place. Received: an array of shape {table.shape}.")
    share = table / table.sum(axis=1, keepdims=True)
    bits = 2 + (share * np.log2(np.maximum(share, 1e-12))).sum(axis=1)
    axes = bare((figure or new_figure(4.4, 1.7)).add_subplot())
    for place, (column, height) in enumerate(zip(share, bits, strict=True)):
        bottom = 0.0
        for i in np.argsort(column, kind="stable"):
            tall = float(column[i] * height)
            if tall > 0.03:
                axes.add_patch(_letter(int(i), first + place, bottom, tall))
            bottom += tall
    axes.set_xlim(first - 0.6, first + len(table) - 0.4)
    axes.set_ylim(0, 2)
    axes.set_yticks([0, 1, 2])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel(label, color=INK)
    return axes


def _bars(across: NDArray[np.floating], values: NDArray[np.floating], least: float) -> tuple[NDArray[np.float64], ...]:
    """One line that is drawn as a bar a value, of those that are large enough."""
    there = np.abs(values) >= least
    x, y = across[there].astype(float), values[there]
    gaps = np.full(len(x), np.nan)
    return np.stack([x, x, gaps], axis=1).ravel(), np.stack([0 * y, y, gaps], axis=1).ravel()


def _letter(index: int, place: float, bottom: float, tall: float) -> PathPatch:
    """A base, stretched into its box."""
    path = TextPath((0, 0), _LETTERS[index], size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = path.get_extents()
    stretch = Affine2D().translate(-box.x0, -box.y0).scale(0.92 / box.width, tall / box.height).translate(place - 0.46, bottom)
    return PathPatch(stretch.transform_path(path), facecolor=_LETTER_COLORS[index], linewidth=0)


def _legend_above(axes: Axes) -> None:
    axes.legend(
        frameon=False,
        fontsize=FONT_SIZE - 1,
        labelcolor=INK,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        columnspacing=1.2,
        handlelength=1.6,
        borderpad=0,
    )
