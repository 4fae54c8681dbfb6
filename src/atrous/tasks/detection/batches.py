"""Training batches: images and boxes changed together, in a way that depends on nothing but seed, epoch and example."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atrous.data.batches import ReadAhead
from atrous.data.boxes import Objects
from atrous.data.detection import BoxSplit
from atrous.models import fcos
from atrous.tasks.colours import Colours

LEAST_LEFT = 0.4
"""Share of a box's area that must be left of it in a piece of the image; else it isn't learned there."""


class BoxBatches(ReadAhead):
    """Batches of (images, targets): (b, height, width, 3) float32, 0..255, and the maps that `fcos.targets` gives.

    Args:
        split: The examples.
        batch_size: Examples a batch.
        seed: With the epoch it determines order and changes.
        size: Height and width of what is given.
        classes: Number of classes.
        output_stride: Of the detector.
        augment: Any of "scale", "crop", "flip", "colour".
        scales: Least and largest factor of "scale".
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(
        self,
        split: BoxSplit,
        batch_size: int,
        seed: int,
        size: tuple[int, int],
        classes: int,
        output_stride: int,
        augment: Sequence[str] = (),
        scales: tuple[float, float] = (1.0, 1.0),
        prefetch: int | None = None,
    ) -> None:
        self.split, self.seed, self.size, self.augment, self.scales = split, seed, size, tuple(augment), scales
        self.classes, self.output_stride = classes, output_stride
        self._colours = Colours("colour" in augment, seed)
        super().__init__(len(split), batch_size, seed, prefetch)

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[NDArray[np.float32], dict[str, Any]]:
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.empty((len(rows), *self.size, 3), np.float32)
        targets: list[dict[str, Any]] = []
        for i, row in enumerate(rows):
            image, objects = self.split[row]
            draw = np.random.default_rng((self.seed, epoch, int(row)))
            images[i], boxes, labels = self.moved(image, objects.learned, draw)
            targets.append(fcos.targets(boxes, labels, self.size, self.classes, self.output_stride))
        together = {name: np.stack([each[name] for each in targets]) for name in fcos.LOSSES}
        return self._colours(images, epoch, index), together

    def moved(
        self, image: NDArray[np.uint8], objects: Objects, draw: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
        """Scaled, mirrored, cut out: a piece of the image, the boxes that are left in it, and their labels."""
        boxes = objects.boxes
        if "scale" in self.augment:
            factor = math.exp(draw.uniform(*np.log(self.scales)))
            image, boxes = resized(image, boxes, factor)
        if "flip" in self.augment and draw.random() < 0.5:
            image, boxes = mirrored(image, boxes)
        image, boxes, left = cut(image, boxes, self.size, draw if "crop" in self.augment else None)
        return image, boxes[left], objects.labels[left]


def resized(
    image: NDArray[np.uint8], boxes: NDArray[np.float32], factor: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Image by a bilinear filter, averaging where it shrinks, to whole pixels; boxes by the same ratios."""
    height, width = image.shape[:2]
    size = [max(1, round(factor * n)) for n in (width, height)]
    changed = Image.fromarray(image).resize((size[0], size[1]), Image.Resampling.BILINEAR)
    return np.asarray(changed), boxes * np.tile(np.array(size, np.float32) / (width, height), 2).astype(np.float32)


def mirrored(image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Left is right."""
    turned = boxes[:, [2, 1, 0, 3]]
    turned[:, [0, 2]] = image.shape[1] - turned[:, [0, 2]]
    return image[:, ::-1], turned


def cut(
    image: NDArray[np.uint8], boxes: NDArray[np.float32], size: tuple[int, int], draw: np.random.Generator | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """A window of that size, anywhere, or in the middle without `draw`; beyond the image it repeats the edge.

    Returns:
        The window; the boxes in it, cut off where it ends; which of them have at least `LEAST_LEFT` of their area left.
    """
    lacks = [max(0, n - have) for n, have in zip(size, image.shape, strict=False)]
    rests = [max(0, have - n) for n, have in zip(size, image.shape, strict=False)]
    front, (top, left) = ([n // 2 if draw is None else int(draw.integers(n + 1)) for n in ns] for ns in (lacks, rests))
    if any(lacks):
        pads = [(before, n - before) for before, n in zip(front, lacks, strict=True)]
        image = np.pad(image, [*pads, (0, 0)], mode="edge")
    height, width = size
    moved = boxes + np.tile(np.array([front[1] - left, front[0] - top], np.float32), 2)
    inside = np.clip(moved, 0, np.array([width, height, width, height], np.float32))
    areas, before = (np.prod(np.maximum(each[:, 2:] - each[:, :2], 0), axis=-1) for each in (inside, moved))
    return image[top : top + height, left : left + width], inside, areas >= LEAST_LEFT * before
