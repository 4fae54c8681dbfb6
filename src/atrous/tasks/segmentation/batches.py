"""Training batches: images and masks changed together, in a way that depends on nothing but seed, epoch and example."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atrous.data.batches import ReadAhead
from atrous.data.masks import VOID
from atrous.data.segmentation import MaskSplit
from atrous.tasks.colours import Colours


class MaskBatches(ReadAhead):
    """Batches of (images, masks): (b, height, width, 3) float32, 0..255, and (b, height, width) uint8, of one size.

    Keras's layers that move pixels take images and masks together, but of one size, and fill a mask with class 0 where the
    image ends; there, void is the truth. So size and place are changed here, one example at a time; colours are changed by
    Keras's layers.

    Args:
        split: The examples.
        batch_size: Examples a batch.
        seed: With the epoch it determines order and changes.
        size: Height and width of what is given.
        augment: Any of "scale", "crop", "flip", "colour".
        scales: Least and largest factor of "scale".
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(
        self,
        split: MaskSplit,
        batch_size: int,
        seed: int,
        size: tuple[int, int],
        augment: Sequence[str] = (),
        scales: tuple[float, float] = (1.0, 1.0),
        prefetch: int | None = None,
    ) -> None:
        self.split, self.seed, self.size, self.augment, self.scales = split, seed, size, tuple(augment), scales
        self._colours = Colours("colour" in augment, seed)
        super().__init__(len(split), batch_size, seed, prefetch)

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.empty((len(rows), *self.size, 3), np.float32)
        masks = np.empty((len(rows), *self.size), np.uint8)
        for i, row in enumerate(rows):
            image, mask = self.split[row]
            images[i], masks[i] = self._moved(image, mask, np.random.default_rng((self.seed, epoch, int(row))))
        return self._colours(images, epoch, index), masks

    def _moved(self, image: Any, mask: Any, draw: np.random.Generator) -> tuple[Any, Any]:
        """Scaled, mirrored, cut out."""
        if "scale" in self.augment:
            factor = math.exp(draw.uniform(*np.log(self.scales)))
            size = [max(1, round(factor * n)) for n in mask.shape]
            image, mask = resized(image, mask, (size[0], size[1]))
        if "flip" in self.augment and draw.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        return cut(image, mask, self.size, draw if "crop" in self.augment else None)


def resized(image: NDArray[Any], mask: NDArray[np.uint8], size: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Image by a bilinear filter, averaging where it shrinks; mask by its nearest label."""
    size_of_pillow = (size[1], size[0])
    changed = Image.fromarray(image).resize(size_of_pillow, Image.Resampling.BILINEAR)
    return np.asarray(changed), np.asarray(Image.fromarray(mask).resize(size_of_pillow, Image.Resampling.NEAREST))


def cut(
    image: NDArray[Any], mask: NDArray[np.uint8], size: tuple[int, int], draw: np.random.Generator | None
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """A window of that size, anywhere, or in the middle without `draw`; beyond the image it repeats the edge, and is void."""
    lacks = [max(0, n - have) for n, have in zip(size, mask.shape, strict=True)]
    if any(lacks):
        front = [n // 2 if draw is None else int(draw.integers(n + 1)) for n in lacks]
        pads = [(before, n - before) for before, n in zip(front, lacks, strict=True)]
        image = np.pad(image, [*pads, (0, 0)], mode="edge")
        mask = np.pad(mask, pads, constant_values=VOID)
    rests = [have - n for n, have in zip(size, mask.shape, strict=True)]
    top, left = [n // 2 if draw is None else int(draw.integers(n + 1)) for n in rests]
    window = (slice(top, top + size[0]), slice(left, left + size[1]))
    return image[window], mask[window]
