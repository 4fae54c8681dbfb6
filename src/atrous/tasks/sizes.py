"""How large things are, and how well they are found, by size: what a field has to be compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Extent:
    """A thing in an image.

    Args:
        label: Its class.
        size: The longer side of the box around it, in pixels.
        found: How much of it is found, 0..1.
        iou: Intersection over union with what is said there.
    """

    label: int
    size: int
    found: float
    iou: float


@dataclass(frozen=True)
class SizeRow:
    """A third of what there is, by size.

    Args:
        name: "smallest third", …
        least: Size of the smallest in it, in pixels.
        most: Size of the largest.
        count: How many.
        found: Mean of how much is found.
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
