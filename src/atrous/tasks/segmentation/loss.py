"""Cross-entropy over labelled pixels, and the mean intersection over union of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from atrous.blocks.unit import register
from atrous.data.masks import VOID

_LARGEST = 10.0  # a rarer class would make steps depend on a few pixels


@register
class SegmentationLoss(keras.losses.Loss):
    """Cross-entropy of logits, its mean over the pixels that have a class; void pixels count nothing.

    Args:
        class_weights: How much a pixel of each class counts; `None`: all the same.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, class_weights: Sequence[float] | None = None, name: str = "segmentation_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **{**kwargs, "reduction": "sum"})
        self.class_weights = None if class_weights is None else tuple(map(float, class_weights))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Takes labels (batch, height, width) and logits (batch, height, width, classes)."""
        labels, logits = ops.cast(y_true, "int32"), ops.cast(y_pred, "float32")
        has_class = labels != VOID
        labels = ops.where(has_class, labels, 0)
        losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        counts = ops.cast(has_class, "float32")
        if self.class_weights is not None:
            counts = counts * ops.take(ops.convert_to_tensor(self.class_weights, "float32"), labels)
        return ops.sum(losses * counts) / ops.maximum(ops.sum(counts), 1e-6)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        config.pop("reduction", None)
        return {**config, "class_weights": self.class_weights}


def balanced(pixels: Sequence[int]) -> tuple[float, ...]:
    """Weights inverse to the number of pixels, 1 for the most frequent class, at most 10."""
    counts = np.maximum(np.asarray(pixels, np.float64), 1)
    return tuple(np.minimum(counts.max() / counts, _LARGEST).tolist())


def confusion(labels: NDArray[Any], predicted: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Counts of pixels [true class][predicted class]; void pixels are left out."""
    has_class = labels != VOID
    pairs = labels[has_class].astype(np.int64) * classes + predicted[has_class]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def intersection_over_union(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class; NaN for one that neither is nor was said to be anywhere."""
    hits = counts.diagonal().astype(np.float64)
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)
