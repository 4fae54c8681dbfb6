"""How large the things in masks are, and how much of them is found, by size: what a field has to be compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atrous.data.masks import VOID


@dataclass(frozen=True)
class Extent:
    """All of one class in one image.

    Args:
        label: The class.
        size: The longer side of the box around it, in pixels.
        found: Share of its pixels that are predicted rightly, 0..1.
        iou: Its intersection over union with what is predicted there.
    """

    label: int
    size: int
    found: float
    iou: float


def extents(mask: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> list[Extent]:
    """What is in a mask; class 0 is left out, since it is background more often than not."""
    seen: list[Extent] = []
    has_class = mask != VOID
    for label in np.unique(mask[has_class & (mask > 0)]).tolist():
        inside = mask == label
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        size = int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
        said = (predicted == label) & has_class
        hits = int((inside & said).sum())
        seen.append(Extent(int(label), size, hits / int(inside.sum()), hits / int((inside | said).sum())))
    return seen


@dataclass(frozen=True)
class SizeRow:
    """A third of what there is, by size.

    Args:
        name: "smallest third", …
        least: Size of the smallest in it, in pixels.
        most: Size of the largest.
        count: How many.
        found: Mean share of pixels found.
        iou: Mean intersection over union.
    """

    name: str
    least: int
    most: int
    count: int
    found: float
    iou: float


def by_size(every: Iterable[Extent]) -> list[SizeRow]:
    """Thirds of equal number; fewer rows if there is too little for three."""
    ordered = sorted(every, key=lambda extent: extent.size)
    names = ("smallest third", "middle third", "largest third") if len(ordered) >= 9 else ("all",)
    rows = []
    for name, part in zip(names, np.array_split(np.arange(len(ordered)), len(names)), strict=True):
        chosen = [ordered[i] for i in part]
        if chosen:
            found, iou = (float(np.mean([getattr(each, what) for each in chosen])) for what in ("found", "iou"))
            rows.append(SizeRow(name, chosen[0].size, chosen[-1].size, len(chosen), found, iou))
    return rows
