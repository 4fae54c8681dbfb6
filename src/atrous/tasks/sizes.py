"""How large things are, and how well they are found, by size: what a field has to be compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_BEYOND = 0.1  # of what there is
_MUCH = 4  # times the size of nearly everything


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


def reach_notes(things: Iterable[Extent], field: Sequence[int], dilated: bool) -> list[str]:
    """What the user should know of a field beside the sizes of what is to be found; nothing if either isn't known.

    Args:
        things: What there is.
        field: Of the network, in pixels.
        dilated: Whether it has rates above 1.
    """
    sizes = np.array([thing.size for thing in things])
    if not len(sizes) or not field:
        return []
    beyond, large = float((sizes > min(field)).mean()), float(np.percentile(sizes, 95))
    seen = " × ".join(map(str, field))
    if beyond > _BEYOND:
        return [
            f"{100 * beyond:.0f} % of what is to be found is larger than the field of {seen} pixels: larger rates, or smaller "
            "images, would let the network see all of it."
        ]
    if dilated and min(field) > _MUCH * large:
        return [
            f"Nearly everything to be found is smaller than {large:.0f} pixels, and the field has {seen}: less reach would see "
            "as much. Compare with --rates 1."
        ]
    return []
