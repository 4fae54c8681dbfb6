"""Whole images through a network: at one scale or several, mirrored, too, or tile by tile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.masks import VOID
from atrous.data.segmentation import MaskSplit
from atrous.tasks.recipe import parse_number
from atrous.tasks.segmentation.loss import confusion, intersection_over_union

LARGEST = 2**22  # pixels of an image that is computed whole; above, `atrous.tiled.predict` gives the same in less memory
MEMORY = "2GB"


class Segmenter:
    """A network and how it is asked.

    Args:
        model: Pixels → logits.
        stride: What height and width are padded to a multiple of, by repeating the edge.
        scales: Factors of the image's size; what the network says at each is averaged.
        flip: Whether the mirrored image is asked, too.

    Raises:
        ValueError: There is no scale, or one isn't positive.
    """

    def __init__(
        self, model: keras.Model, stride: int, scales: Sequence[float] | float | None = None, flip: bool = False
    ) -> None:
        every = (1.0,) if scales is None else scales if isinstance(scales, (tuple, list)) else (scales,)
        if not every:
            raise ValueError("`scales` must have at least one factor. Received: scales=().")
        self.model, self.stride, self.flip = model, stride, flip
        self.scales = tuple(parse_number("scales", scale, 0, 16) for scale in every)

    @property
    def is_plain(self) -> bool:
        """Whether the network is asked once, for the image as it is."""
        return self.scales == (1.0,) and not self.flip

    def scores(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """What speaks for each class: logits, or, if the network is asked several times, logarithms of mean probabilities.

        Args:
            images: (b, height, width, 3), 0..255.

        Returns:
            (b, height, width, classes).
        """
        if self.is_plain:
            return self._logits(images)
        total: Any = 0.0
        for scale in self.scales:
            size = [max(1, round(scale * n)) for n in images.shape[1:3]]
            scaled = _resized(images.astype(np.float32), size)
            views = [scaled, scaled[:, :, ::-1]] if self.flip else [scaled]
            for i, view in enumerate(views):
                probabilities = np.exp(log_softmax(self._logits(view)))
                total = total + _resized(probabilities[:, :, ::-1] if i else probabilities, images.shape[1:3])
        mean = total / len(self.scales) / (1 + self.flip)
        return np.asarray(np.log(np.maximum(mean, 1e-12)), np.float32)

    def labels(self, image: NDArray[np.uint8], tile: Any = None, memory: int | str = MEMORY) -> NDArray[np.uint8]:
        """The class of each pixel (height, width) of one image (height, width, 3) of any size.

        Args:
            image: 0..255.
            tile: Side of tiles, in pixels; `None`: no tiles up to 4 million pixels, above by `memory`.
            memory: Bytes that tiles may take.
        """
        if tile is not None and not self.is_plain:
            raise ValueError(f"`tile` must be None with several `scales` or `flip`. Received: tile={tile!r}.")
        if self.is_plain and (tile is not None or image.shape[0] * image.shape[1] > LARGEST):
            from atrous.tiled import predict

            padded = self._padded(image[None])[0]
            found = predict(self.model, padded, tile=tile, memory=memory, activation="argmax", progress=False)
            return np.asarray(found, np.uint8)[: image.shape[0], : image.shape[1]]
        return np.asarray(self.scores(image[None])[0].argmax(axis=-1), np.uint8)

    def _logits(self, images: NDArray[Any]) -> NDArray[np.float32]:
        height, width = images.shape[1:3]
        padded = self._padded(images)
        if height * width > LARGEST:
            from atrous.tiled import predict

            found = np.stack([np.asarray(predict(self.model, image, memory=MEMORY, progress=False)) for image in padded])
        else:
            found = np.asarray(self.model.predict_on_batch(np.asarray(padded, np.float32)), np.float32)
        return found[:, :height, :width]

    def _padded(self, images: NDArray[Any]) -> NDArray[Any]:
        """In whole strides, so that every map covers the image exactly; the edge is repeated."""
        pads = [(0, -n % self.stride) for n in images.shape[1:3]]
        return np.pad(images, [(0, 0), *pads, (0, 0)], mode="edge") if any(behind for _, behind in pads) else images


def evaluate(
    segmenter: Segmenter, split: MaskSplit, class_names: Sequence[str], batch_size: int, weights: Sequence[float] | None = None
) -> dict[str, Any]:
    """Figures over all labelled pixels of a part.

    Args:
        segmenter: The network.
        split: Images and masks.
        class_names: Label → name.
        batch_size: Images of one size at a time.
        weights: Of the classes in the loss.

    Returns:
        `examples`, `loss`, `mean_iou` (over the classes that are there or are said to be), `pixel_accuracy`, `confusion` in
        pixels ([true class][predicted class]) and `classes`: for each name its `iou`, `recall`, `precision` (0..1 or `None`)
        and `pixels`.
    """
    classes = len(class_names)
    counts = np.zeros((classes, classes), np.int64)
    weight_of = np.ones(classes) if weights is None else np.asarray(weights, np.float64)
    loss = total = 0.0
    for _, images, masks in batches_of_one_size(split, batch_size):
        scores = segmenter.scores(images)
        counts += confusion(masks, scores.argmax(axis=-1), classes)
        has_class = masks != VOID
        labels = masks[has_class]
        weight = weight_of[labels]
        chosen = np.take_along_axis(log_softmax(scores[has_class]), labels[:, None].astype(np.int64), axis=-1)[:, 0]
        loss -= float((weight * chosen).sum())
        total += float(weight.sum())
    return {"examples": len(split), "loss": loss / max(total, 1e-6), **figures(counts, class_names)}


def figures(counts: NDArray[np.int64], class_names: Sequence[str]) -> dict[str, Any]:
    """What follows from counts of pixels [true class][predicted class]."""
    iou = intersection_over_union(counts)
    true, said, hits = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    return {
        "mean_iou": float(np.nanmean(iou)) if counts.any() else 0.0,
        "pixel_accuracy": float(hits.sum() / max(counts.sum(), 1)),
        "confusion": counts.tolist(),
        "classes": {
            name: {
                "iou": None if np.isnan(iou[i]) else float(iou[i]),
                "recall": float(hits[i] / true[i]) if true[i] else None,
                "precision": float(hits[i] / said[i]) if said[i] else None,
                "pixels": int(true[i]),
            }
            for i, name in enumerate(class_names)
        },
    }


def batches_of_one_size(
    split: MaskSplit, batch_size: int, indices: Sequence[int] | None = None
) -> Iterator[tuple[list[int], NDArray[np.uint8], NDArray[np.uint8]]]:
    """Indices, images and masks, those of equal size together: nothing is resized, and nothing padded to fit another."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index in range(len(split)) if indices is None else indices:
        groups[tuple(split.sizes[index])].append(int(index))
    for group in groups.values():
        for start in range(0, len(group), batch_size):
            rows = group[start : start + batch_size]
            images, masks = zip(*(split[row] for row in rows), strict=True)
            yield rows, np.stack(images), np.stack(masks)


def log_softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithms of probabilities, over the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


def _resized(images: NDArray[Any], size: Sequence[int]) -> NDArray[np.float32]:
    if tuple(images.shape[1:3]) == tuple(size):
        return np.asarray(images, np.float32)
    resized = keras.ops.image.resize(images, tuple(size), interpolation="bilinear", antialias=True, data_format="channels_last")
    return np.asarray(keras.ops.convert_to_numpy(resized), np.float32)
