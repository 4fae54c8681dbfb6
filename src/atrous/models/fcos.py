"""What a detector without anchors learns and says: boxes as distances from locations, targets, losses, and boxes again.

Position (i, j) of a map with output stride s stands for the location x = s//2 + j·s, y = s//2 + i·s of the image, in pixels. It
says a logit for each class; how far the left, top, right and bottom side of its object are; and how near it is to the middle of
the object ("centre-ness"). A location in no object has zeros in all targets.

Sources: Tian, Shen, Chen, He 2019, "FCOS: Fully Convolutional One-Stage Object Detection" (arXiv 1904.01355); by the same
2020, "FCOS: A Simple and Strong Anchor-free Object Detector" (arXiv 2006.09214).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from atrous.blocks.unit import register
from atrous.spec import parse_integer, parse_integers

OUTPUT_STRIDE = 16
"""Of a detector, if nothing else is said."""

MOST_CANDIDATES = 1000
"""Boxes of an image that go into the suppression, by score (FCOS, section 4)."""


class Detections(NamedTuple):
    """What is in one image, best first.

    Args:
        boxes: Left, top, right and bottom side in pixels, float32 (n, 4).
        scores: √(probability of the class · centre-ness), float32 (n,).
        classes: int64 (n,).
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


# ---- targets ---------------------------------------------------------------------------------------------------------------


def targets(
    boxes: Any,
    labels: Any,
    image_size: int | tuple[int, int],
    classes: int,
    output_stride: int = OUTPUT_STRIDE,
    radius: float = 1.5,
) -> dict[str, np.ndarray]:
    """What a detector should say of one image.

    A location belongs to a box if it is inside and within `radius` strides of its middle; of several boxes, to the smallest. A
    box between the locations is given to none.

    Args:
        boxes: Left, top, right and bottom side in pixels, (n, 4); n may be 0.
        labels: Class of each, 0 … classes − 1, (n,).
        image_size: Height and width in pixels; one number for both.
        classes: Number of classes.
        output_stride: Of the detector.
        radius: In output positions; `math.inf` takes every location inside.

    Returns:
        float32: `"classes"` (height, width, classes), one-hot; `"boxes"` (height, width, 4): distances to the left, top, right
        and bottom side in pixels; `"centerness"` (height, width, 1): √(min(l, r)/max(l, r) · min(t, b)/max(t, b)), equation 3.

    Raises:
        ValueError: An argument breaks its rule.
    """
    boxes, labels = _checked(boxes, labels, parse_integer("classes", classes))
    x, y = _locations(_map_size(image_size, output_stride), output_stride)
    if not len(boxes):
        shape = (len(y), len(x))
        return {name: np.zeros((*shape, n), "float32") for name, n in (("classes", classes), ("boxes", 4), ("centerness", 1))}

    points = np.stack(np.broadcast_arrays(x[None, :, None], y[:, None, None]), axis=-1)
    distances = np.concatenate([points - boxes[:, :2], boxes[:, 2:] - points], axis=-1)  # (height, width, n, 4)
    off_middle = np.abs(points - (boxes[:, :2] + boxes[:, 2:]) / 2).max(axis=-1)
    mine = (distances.min(axis=-1) > 0) & (off_middle < radius * output_stride)
    areas = np.where(mine, np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1), np.inf)
    chosen = areas.argmin(axis=-1)
    found = mine.any(axis=-1)[..., None]
    distances = np.where(found, np.take_along_axis(distances, chosen[..., None, None], axis=2)[:, :, 0], 0)
    return {
        "classes": (found * np.eye(classes)[labels[chosen]]).astype("float32"),
        "boxes": distances.astype("float32"),
        "centerness": _centerness(distances).astype("float32"),
    }


def _checked(boxes: Any, labels: Any, classes: int) -> tuple[np.ndarray, np.ndarray]:
    boxes, labels = np.asarray(boxes, "float64").reshape(-1, 4), np.asarray(labels, "int64").reshape(-1)
    if len(boxes) != len(labels):
        raise ValueError(f"`labels` must have one entry a box. Received: {len(labels)} labels, {len(boxes)} boxes.")
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        wrong = boxes[~(boxes[:, 2:] > boxes[:, :2]).all(axis=1)][0].tolist()
        raise ValueError(f"`boxes` must be (left, top, right, bottom), with left < right and top < bottom. Received: {wrong}.")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"`labels` must be from 0 to {classes - 1}. Received: {labels.min()} … {labels.max()}.")
    return boxes, labels


def _centerness(distances: np.ndarray) -> np.ndarray:
    """Equation 3, (…, 1); 0 where all distances are 0."""
    near = np.minimum(distances[..., :2], distances[..., 2:])
    far = np.maximum(distances[..., :2], distances[..., 2:])
    found: np.ndarray = np.sqrt(np.prod(near / np.where(far > 0, far, 1), axis=-1, keepdims=True))
    return found


def _map_size(image_size: Any, output_stride: int) -> tuple[int, ...]:
    stride = parse_integer("output_stride", output_stride)
    return tuple(-(-n // stride) for n in parse_integers("image_size", image_size, 2))


def _locations(size: tuple[int, ...], stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns' x and rows' y."""
    y, x = (stride // 2 + stride * np.arange(n, dtype="float64") for n in size)
    return x, y


# ---- losses ----------------------------------------------------------------------------------------------------------------


@register  # type: ignore[untyped-decorator]
def class_loss(y_true: Any, y_pred: Any) -> Any:
    """Focal loss of logits (batch, height, width, classes), over the number of locations in objects; a scalar.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection" (arXiv 1708.02002), equation 5, with its α = 0.25, γ = 2.
    """
    loss = keras.losses.binary_focal_crossentropy(
        y_true, y_pred, apply_class_balancing=True, alpha=0.25, gamma=2.0, from_logits=True
    )
    return ops.sum(loss) * y_pred.shape[-1] / ops.maximum(ops.sum(y_true), 1.0)


@register  # type: ignore[untyped-decorator]
def box_loss(y_true: Any, y_pred: Any) -> Any:
    """1 − complete IoU of distances (batch, height, width, 4), their mean weighted by the true centre-ness; a scalar.

    Source: Zheng et al. 2020, "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression" (arXiv 1911.08287).
    """
    y_true, y_pred = ops.reshape(y_true, (-1, 4)), ops.reshape(y_pred, (-1, 4))
    near = ops.minimum(y_true[:, :2], y_true[:, 2:])
    far = ops.maximum(y_true[:, :2], y_true[:, 2:])
    weight = ops.sqrt(ops.prod(near / ops.maximum(far, keras.config.epsilon()), axis=-1))
    # Seen from its location a box lies from (−left, −top) to (right, bottom).
    sides = ops.convert_to_tensor([-1.0, -1.0, 1.0, 1.0], dtype=y_pred.dtype)
    ciou = keras.utils.bounding_boxes.compute_ciou(sides * y_true, sides * y_pred, "xyxy")
    return ops.sum(weight * (1.0 - ciou)) / ops.maximum(ops.sum(weight), 1.0)


@register  # type: ignore[untyped-decorator]
def centerness_loss(y_true: Any, y_pred: Any) -> Any:
    """Cross-entropy of logits (batch, height, width, 1), its mean over locations in objects; a scalar."""
    inside = ops.cast(y_true > 0, y_pred.dtype)
    loss = ops.binary_crossentropy(y_true, y_pred, from_logits=True)
    return ops.sum(inside * loss) / ops.maximum(ops.sum(inside), 1.0)


LOSSES = {"classes": class_loss, "boxes": box_loss, "centerness": centerness_loss}
"""For `compile(loss=…)`, a loss an output."""


# ---- boxes -----------------------------------------------------------------------------------------------------------------


def decode(
    predictions: Mapping[str, Any],
    image_size: int | tuple[int, int],
    output_stride: int = OUTPUT_STRIDE,
    score_threshold: float = 0.05,
    iou_threshold: float = 0.6,
    max_detections: int = 100,
    max_candidates: int = MOST_CANDIDATES,
) -> list[Detections]:
    """Boxes of what a detector says.

    Args:
        predictions: Its output for a batch: `"classes"`, `"boxes"` and `"centerness"`.
        image_size: Height and width in pixels; one number for both. Boxes end there.
        output_stride: Of the detector.
        score_threshold: Least probability of a class.
        iou_threshold: Of two boxes of one class that share more, the one with the lower score is dropped.
        max_detections: Most boxes an image.
        max_candidates: Most locations and classes an image that are looked at for boxes, those with the best scores.

    Returns:
        What is in each image of the batch.

    Raises:
        ValueError: An argument breaks its rule.
    """
    height, width = parse_integers("image_size", image_size, 2)
    size = _map_size(image_size, output_stride)
    maps = {name: ops.convert_to_tensor(predictions[name], dtype="float32") for name in LOSSES}
    if tuple(maps["boxes"].shape[1:3]) != size:
        raise ValueError(
            f"`predictions` must be {size[0]}×{size[1]}, as of images of {height}×{width} at `output_stride` {output_stride}. "
            f"Received: {'×'.join(map(str, maps['boxes'].shape[1:3]))}."
        )
    probabilities = ops.sigmoid(maps["classes"])
    scores = ops.sqrt(probabilities * ops.sigmoid(maps["centerness"]))
    scores = ops.convert_to_numpy(ops.where(probabilities > score_threshold, scores, 0.0))
    x, y = _locations(size, output_stride)
    points = np.stack(np.meshgrid(x, y), axis=-1)
    distances = ops.convert_to_numpy(maps["boxes"])
    corners = np.concatenate([points - distances[..., :2], points + distances[..., 2:]], axis=-1)
    corners = np.clip(corners, 0, [width, height, width, height]).astype("float32")
    return [
        _detections(boxes.reshape(-1, 4), each.reshape(-1, each.shape[-1]), iou_threshold, max_detections, max_candidates)
        for boxes, each in zip(corners, scores, strict=True)
    ]


def _detections(
    boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, max_detections: int, max_candidates: int
) -> Detections:
    """Of one image: boxes (locations, 4), scores (locations, classes), 0 where there is none."""
    candidates = np.argsort(-scores, axis=None, kind="stable")[:max_candidates]
    place, classes = np.unravel_index(candidates[scores.flat[candidates] > 0], scores.shape)
    boxes, best = boxes[place], scores[place, classes]
    # Moved apart by class, boxes of two classes share nothing.
    apart = boxes + (classes * (boxes.max(initial=0) + 1)).astype("float32")[:, None]
    kept = suppress(apart, best, iou_threshold, max_detections)
    return Detections(boxes[kept], best[kept], classes[kept])


def suppress(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, most: int) -> np.ndarray:
    """Which boxes remain where of two that share more than `iou_threshold` the better one does; best first.

    Keras has none, and KerasHub's needs TensorFlow everywhere: it is TensorFlow's on TensorFlow, elsewhere the same in NumPy.

    Args:
        boxes: (n, 4).
        scores: (n,), falling.
        iou_threshold: Intersection over union.
        most: Most boxes to keep.

    Returns:
        Their indices, int64.
    """
    if keras.config.backend() != "tensorflow":
        return _suppress(boxes, iou_threshold, most)
    import tensorflow as tf

    return np.asarray(tf.image.non_max_suppression(boxes, scores, most, iou_threshold), "int64")


def _suppress(boxes: np.ndarray, iou_threshold: float, most: int) -> np.ndarray:
    shared = ops.convert_to_numpy(keras.utils.bounding_boxes.compute_iou(boxes, boxes, "xyxy"))
    kept: list[int] = []
    for i in range(len(boxes)):
        if len(kept) < most and not (shared[i, kept] > iou_threshold).any():
            kept.append(i)
    return np.array(kept, "int64")
