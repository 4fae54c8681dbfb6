"""Boxes around the objects in an image, and what a loader of one format found of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUNDING = 0.5
"""Pixels that a box may stick out of its image before it is told."""


class Objects(NamedTuple):
    """What is in an image.

    Args:
        boxes: (n, 4) float32: left, top, right and bottom side in pixels; a box around the first pixel is (0, 0, 1, 1).
        labels: (n,) int64: the class of each, from 0.
        ignored: (n,) bool: crowds and difficult objects, which are not learned, and neither right nor wrong if found.
        areas: (n,) float32: pixels of the object, where the data tell them, else of its box; what its size is told by.
        crowds: (n,) bool: the ignored ones that are many objects in one box, any number of which may be found.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    areas: NDArray[np.float32]
    crowds: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Sequence[tuple[Sequence[float], int, str, float | None]]) -> Objects:
        """Of (sides, label, "" or "crowd" or "difficult", area or `None`) each."""
        boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
        sizes = np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
        areas = [size if row[3] is None else row[3] for size, row in zip(sizes, rows, strict=True)]
        return cls(
            boxes,
            np.array([row[1] for row in rows], np.int64),
            np.array([row[2] != "" for row in rows], bool),
            np.array(areas, np.float32),
            np.array([row[2] == "crowd" for row in rows], bool),
        )

    def only(self, which: NDArray[np.bool_]) -> Objects:
        """Some of them."""
        boxes, labels, ignored, areas, crowds = self
        return Objects(boxes[which], labels[which], ignored[which], areas[which], crowds[which])

    @property
    def learned(self) -> Objects:
        """Those that are not ignored."""
        return self.only(~self.ignored)


@dataclass(frozen=True, eq=False)
class Annotated:
    """An image, and what its annotation says.

    Attributes:
        image: its file.
        name: what the example is called.
        objects: what is in it, as written.
        size: height and width, as written; `None` if they aren't.
    """

    image: Path
    name: str
    objects: Objects
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class BoxLayout:
    """What a loader of one format found, before an image is decoded.

    Attributes:
        parts: images of each part that is given: "train", and perhaps "validation", "test".
        class_names: label → name.
        category_ids: label → what the class is called in the data by number.
    """

    parts: dict[str, list[Annotated]]
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]


def inside(objects: Objects, size: tuple[int, int]) -> tuple[Objects, int, int]:
    """Cuts boxes off where the image ends.

    Args:
        objects: as they are written.
        size: height and width of the image.

    Returns:
        What has an area inside the image; how many boxes stuck out of it by more than rounding does; how many had no area
        inside it, or no size at all.
    """
    height, width = size
    with np.errstate(invalid="ignore"):
        cut = np.clip(objects.boxes, 0, np.array([width, height, width, height], np.float32))
        sides = np.minimum(objects.boxes[:, 2:] - objects.boxes[:, :2], cut[:, 2:] - cut[:, :2])
        there: NDArray[np.bool_] = np.isfinite(objects.boxes).all(axis=-1) & (sides.min(axis=-1) > 0)
        beyond: NDArray[np.float32] = np.abs(objects.boxes - cut).max(axis=-1, initial=0)
    kept = objects._replace(boxes=cut).only(there)
    return kept, int((beyond[there] > ROUNDING).sum()), int((~there).sum())
