"""Images with coloured rectangles in them, and how well a detector finds these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

COLOURS = ((1.0, 0.2, 0.0), (0.0, 0.3, 1.0), (0.2, 1.0, 0.3))


def scenes(count: int, size: int, classes: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Images (count, size, size, 3); of each the boxes (n, 4) and their classes (n,): the class is the colour."""
    draw = np.random.default_rng(0)
    images = draw.normal(0, 0.05, (count, size, size, 3)).astype("float32")
    every_box, labels = [], []
    for image in images:
        boxes: list[Any] = []
        for _ in range(draw.integers(1, 4)):
            extent = draw.integers(size // 4, size // 2, 2)
            corner = draw.integers(0, size - extent)
            box = np.array([*corner, *(corner + extent)])
            if not any(overlap(box, other) for other in boxes):
                boxes.append(box)
        labels.append(draw.integers(0, classes, len(boxes)))
        for (left, top, right, bottom), label in zip(boxes, labels[-1], strict=True):
            image[top:bottom, left:right] = COLOURS[label]
        every_box.append(np.array(boxes))
    return images, every_box, labels


def overlap(a: Any, b: Any) -> float:
    """Intersection over union."""
    width, height = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(width * height / (area_a + area_b - width * height))


def average_precision(found: Sequence[Any], boxes: Sequence[np.ndarray], labels: Sequence[np.ndarray], iou: float) -> float:
    """Area below precision over recall, its mean over classes (Everingham et al. 2010, section 4.2, with every recall).

    Args:
        found: `Detections` of each image.
        boxes: True ones of each image.
        labels: Their classes.
        iou: Least overlap that counts as found.
    """
    areas = []
    for label in np.unique(np.concatenate(labels)):
        truth = [list(each[mine == label]) for each, mine in zip(boxes, labels, strict=True)]
        total = sum(map(len, truth))
        claims = sorted(
            (-score, image, tuple(box))
            for image, each in enumerate(found)
            for box, score, kind in zip(*each, strict=True)
            if kind == label
        )
        hits = np.array([_take(truth[image], box, iou) for _, image, box in claims], float)
        precision = hits.cumsum() / np.arange(1, len(hits) + 1)
        best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
        areas.append((best_from_here * hits).sum() / total)
    return float(np.mean(areas))


def _take(truth: list[Any], box: Any, iou: float) -> bool:
    """Whether a box is one of those not found yet; it is taken away then."""
    overlaps = [overlap(each, box) for each in truth]
    if not overlaps or max(overlaps) < iou:
        return False
    truth.pop(int(np.argmax(overlaps)))
    return True
