"""Whole images through a detector, and COCO's figures of what it finds."""

from __future__ import annotations

import contextlib
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.boxes import Objects
from atrous.data.detection import BoxSplit
from atrous.models import fcos
from atrous.models.fcos import Detections
from atrous.tasks.detection.network import one_map, taken_apart

LARGEST = 2**22  # pixels of an image that is computed whole; above, `atrous.tiled.predict` gives the same in less memory
MEMORY = "2GB"
_MOST = 100  # boxes an image, as COCO's figures look at
LEAST = 0.05
"""Probability of a class below which a location says nothing, as in FCOS."""


class Detector:
    """A network and how its maps are read.

    Args:
        model: Pixels → maps.
        output_stride: Of the maps; height and width are padded to a multiple of it, by repeating the edge.
        overlap: Of two boxes of one class that share more of their union, the worse one is dropped.
        usual: Height and width of images as the network knows them: there may be 100 boxes in each of that size.
    """

    def __init__(self, model: keras.Model, output_stride: int, overlap: float, usual: tuple[int, int] | None = None) -> None:
        self.model, self.stride, self.overlap, self.usual = model, output_stride, overlap, usual

    def maps(self, images: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """What the network says of images (b, height, width, 3), 0..255: maps of the padded images."""
        said = self.model.predict_on_batch(np.asarray(self.padded(images), np.float32))
        return {name: np.asarray(each, np.float32) for name, each in said.items()}

    def decoded(self, maps: Any, size: tuple[int, int]) -> list[Detections]:
        """Boxes in images of a height and width, of their maps."""
        several = 1 if self.usual is None else max(1, math.ceil(math.prod(size) / math.prod(self.usual)))
        most = {"max_detections": several * _MOST, "max_candidates": several * fcos.MOST_CANDIDATES}
        return [_with_area(each) for each in fcos.decode(maps, size, self.stride, LEAST, self.overlap, **most)]

    def detections(self, image: NDArray[np.uint8], tile: Any = None, memory: int | str = MEMORY) -> Detections:
        """What is in one image (height, width, 3) of any size.

        Args:
            image: 0..255.
            tile: Side of tiles, in pixels; `None`: no tiles up to 4 million pixels, above by `memory`.
            memory: Bytes that tiles may take.
        """
        height, width = image.shape[:2]
        if tile is None and height * width <= LARGEST:
            return self.decoded(self.maps(image[None]), (height, width))[0]
        from atrous.tiled import predict

        # The maps are computed by tiles, exactly, and read once: no object is cut by a tile's edge.
        found = predict(one_map(self.model), self.padded(image[None])[0], tile=tile, memory=memory, progress=False)
        return self.decoded(taken_apart(np.asarray(found)[None]), (height, width))[0]

    def padded(self, images: NDArray[Any]) -> NDArray[Any]:
        """In whole strides, so that every map covers the image; the edge is repeated."""
        pads = [(0, -n % self.stride) for n in images.shape[1:3]]
        return np.pad(images, [(0, 0), *pads, (0, 0)], mode="edge") if any(behind for _, behind in pads) else images


def evaluate(
    detector: Detector, split: BoxSplit, class_names: Sequence[str], batch_size: int, confidence: float
) -> dict[str, Any]:
    """Figures over the images of a part.

    Args:
        detector: The network.
        split: Images and objects.
        class_names: Label → name.
        batch_size: Images of one size at a time.
        confidence: Least score of a box that precision and recall count.

    Returns:
        `examples`, `loss` (the mean of the images') and what `figures` returns.
    """
    found: dict[int, Detections] = {}
    loss = 0.0
    for rows, images in batches_of_one_size(split, batch_size):
        maps = detector.maps(images)
        size = (images.shape[1], images.shape[2])
        for row, each in zip(rows, detector.decoded(maps, size), strict=True):
            found[row] = each
        loss += sum(_loss(maps, i, split.objects(row), size, detector.stride) for i, row in enumerate(rows))
    every = range(len(split))
    result = figures([split.objects(i) for i in every], [found[i] for i in every], class_names, confidence)
    return {"examples": len(split), "loss": loss / len(split), **result}


def figures(
    truth: Sequence[Objects], found: Sequence[Detections], class_names: Sequence[str], confidence: float
) -> dict[str, Any]:
    """COCO's figures, by pycocotools.

    Args:
        truth: What is in each image.
        found: What was found in each.
        class_names: Label → name.
        confidence: Least score of a box that precision and recall count.

    Returns:
        `ap`: area below precision over recall, its mean over classes and over least overlaps of 0.5, 0.55, …, 0.95; `ap50`,
        `ap75`: at one overlap; `ap_small`, `ap_medium`, `ap_large`: of objects of up to 32², up to 96², and more pixels;
        `ar100`: mean recall with at most 100 boxes an image. All 0..1; without an object `ap` is 0, all others are `None`.
        `confidence`, and from it on, at an overlap of 0.5, `precision` and `recall`; `objects`, `boxes`: how many there are and
        how many were said. `classes`: for each name `ap`, `ap50`, `precision`, `recall`, `objects`.
    """
    evaluated = coco(truth, found, len(class_names))
    precision, recall = evaluated.eval["precision"], evaluated.eval["recall"]  # (overlaps, recalls, classes, sizes, most)
    named = {"ap": precision[..., 0, -1], "ap50": precision[0, ..., 0, -1], "ap75": precision[5, ..., 0, -1]}
    named |= {f"ap_{size}": precision[..., i, -1] for i, size in enumerate(("small", "medium", "large"), 1)}
    hits, said, there = counts(evaluated, confidence)
    return {
        **{name: _mean(values) for name, values in named.items()},
        "ap": _mean(named["ap"]) or 0.0,  # epochs are chosen by it, even where nothing is to be found
        "ar100": _mean(recall[..., 0, -1]),
        "confidence": confidence,
        "precision": _share(hits.sum(), said.sum()),
        "recall": _share(hits.sum(), there.sum()),
        "objects": int(there.sum()),
        "boxes": int(said.sum()),
        "classes": {
            name: {
                "ap": _mean(precision[:, :, label, 0, -1]),
                "ap50": _mean(precision[0, :, label, 0, -1]),
                "precision": _share(hits[label], said[label]),
                "recall": _share(hits[label], there[label]),
                "objects": int(there[label]),
            }
            for label, name in enumerate(class_names)
        },
    }


def coco(truth: Sequence[Objects], found: Sequence[Detections], classes: int) -> Any:
    """A `pycocotools.cocoeval.COCOeval` that has evaluated and accumulated, in memory and without a word."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    shared = {"images": [{"id": i} for i in range(len(truth))], "categories": [{"id": label} for label in range(classes)]}
    objects, boxes = COCO(), COCO()
    objects.dataset = {**shared, "annotations": []}
    boxes.dataset = {**shared, "annotations": []}
    for i, (each, said) in enumerate(zip(truth, found, strict=True)):
        for box, label, ignored, area, crowd in zip(*each, strict=True):
            # An area that no size has is what it takes pycocotools to ignore an object that is no crowd.
            area = -1.0 if ignored and not crowd else float(area)
            _add(objects, i, box, int(label), {"area": area, "iscrowd": int(crowd)})
        for box, score, label in zip(*said, strict=True):
            area = float(np.prod(box[2:] - box[:2]))
            _add(boxes, i, box, int(label), {"area": area, "score": float(score), "iscrowd": 0})
    with contextlib.redirect_stdout(io.StringIO()):
        objects.createIndex()
        boxes.createIndex()
        evaluated = COCOeval(objects, boxes, "bbox")
        evaluated.evaluate()
        evaluated.accumulate()
    return evaluated


def counts(evaluated: Any, confidence: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each class: boxes that found an object (overlap 0.5), boxes said, and objects; what is ignored counts nowhere."""
    classes = len(evaluated.params.catIds)
    hits, said, there = (np.zeros(classes, np.int64) for _ in range(3))
    for each in _of_all_sizes(evaluated):
        label = each["category_id"]
        counted = (np.array(each["dtScores"]) >= confidence) & ~np.asarray(each["dtIgnore"][0], bool)
        hits[label] += int((counted & (each["dtMatches"][0] > 0)).sum())
        said[label] += int(counted.sum())
        there[label] += int((~np.asarray(each["gtIgnore"], bool)).sum())
    return hits, said, there


def balance(evaluated: Any) -> tuple[float, float, float] | None:
    """The score from which on precision and recall, of all classes together and at an overlap of 0.5, are best balanced (F1).

    Returns:
        Score, precision, recall; `None` if nothing was found.
    """
    scores, hits, there = [], [], 0
    for each in _of_all_sizes(evaluated):
        counted = ~np.asarray(each["dtIgnore"][0], bool)
        scores.append(np.asarray(each["dtScores"], np.float64)[counted])
        hits.append((each["dtMatches"][0] > 0)[counted])
        there += int((~np.asarray(each["gtIgnore"], bool)).sum())
    score, hit = (np.concatenate(each) if each else np.zeros(0) for each in (scores, hits))
    if not hit.any():
        return None
    order = np.argsort(-score, kind="stable")
    found, said = hit[order].cumsum(), np.arange(1, len(order) + 1)
    best = int((2 * found / (said + there)).argmax())
    return float(score[order][best]), float(found[best] / said[best]), float(found[best] / there)


def _of_all_sizes(evaluated: Any) -> Iterator[Any]:
    """What pycocotools found in each image of each class, in this order; objects of all sizes, which are the first range."""
    images, sizes = len(evaluated.params.imgIds), len(evaluated.params.areaRng)
    for i, each in enumerate(evaluated.evalImgs):
        if each is not None and i // images % sizes == 0:
            yield each


def batches_of_one_size(
    split: BoxSplit, batch_size: int, indices: Sequence[int] | None = None
) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
    """Indices and images, those of equal size together: nothing is resized, and nothing padded to fit another."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index in range(len(split)) if indices is None else indices:
        groups[tuple(split.sizes[index])].append(index)
    for members in groups.values():
        for start in range(0, len(members), batch_size):
            rows = members[start : start + batch_size]
            yield rows, np.stack([split[row][0] for row in rows])


def _loss(maps: Any, index: int, objects: Objects, size: tuple[int, int], stride: int) -> float:
    """Of one image, as in training."""
    learned = objects.learned
    targets = fcos.targets(learned.boxes, learned.labels, size, maps["classes"].shape[-1], stride)
    total = sum(loss(targets[name][None], maps[name][index][None]) for name, loss in fcos.LOSSES.items())
    return float(keras.ops.convert_to_numpy(total))


def _with_area(found: Detections) -> Detections:
    """Without boxes of locations in the padding, of which nothing is left where the image ends."""
    there = (found.boxes[:, 2:] > found.boxes[:, :2]).all(axis=-1)
    return Detections(found.boxes[there], found.scores[there], found.classes[there])


def _add(of: Any, image: int, box: NDArray[np.float32], label: int, more: dict[str, Any]) -> None:
    left, top, right, bottom = (float(side) for side in box)
    number = len(of.dataset["annotations"]) + 1  # 0 would be taken for no match
    sides = {"bbox": [left, top, right - left, bottom - top]}
    of.dataset["annotations"].append({"id": number, "image_id": image, "category_id": label, **sides, **more})


def _mean(values: NDArray[Any]) -> float | None:
    """Over what there is; pycocotools says -1 where there is nothing."""
    there = values[values > -1]
    return float(there.mean()) if there.size else None


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
