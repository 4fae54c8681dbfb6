"""Boxes in image files: a list in COCO's format, and pictures of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atrous.data.files import image_files
from atrous.data.images import read_pixels
from atrous.models.fcos import Detections
from atrous.run import replacing
from atrous.tasks.detection.drawing import drawn
from atrous.tasks.detection.evaluation import Detector


@dataclass(frozen=True)
class BoxPrediction:
    """What a network says of an image.

    Args:
        file: The image.
        boxes: Of each object, best first, its `class`, `score` and `bbox`: [left, top, width, height] in pixels.
        overlay: The image with the boxes on it, a JPEG, if an output folder was given.
        error: Why the image could not be read.
    """

    file: str
    boxes: list[dict[str, Any]] | None = None
    overlay: str | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """File, what was written, how many of each class there are, and the boxes; or why there is nothing."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        written = {"overlay": self.overlay} if self.overlay else {}
        return {
            "file": self.file,
            **written,
            "found": dict(Counter(each["class"] for each in self.boxes or [])),
            "boxes": self.boxes,
        }


def predict(
    detector: Detector,
    given: Iterable[Path],
    output: Path | None,
    class_names: Sequence[str],
    category_ids: Sequence[int],
    confidence: float,
    **tiles: Any,
) -> list[BoxPrediction]:
    """Predicts files and the images in folders, in order; into `output/boxes.json` and `output/overlays`, if there is one.

    Raises:
        FileNotFoundError: There is no image in a folder.
        OSError: Nothing can be written there.
    """
    predictions: list[BoxPrediction] = []
    results: list[dict[str, Any]] = []
    taken: set[str] = set()
    for root in given:
        for file in image_files([root]):
            inner = file.relative_to(root) if root.is_dir() else Path(file.name)
            name = unique(inner.with_suffix("").as_posix(), taken)
            try:
                image = read_pixels(file, 3)
            except ValueError as error:
                predictions.append(BoxPrediction(str(file), error=str(error)))
                continue
            except OSError as error:
                why = f"`files` must be files that can be read. Received: {str(file)!r}: {error.strerror or error}."
                predictions.append(BoxPrediction(str(file), error=why))
                continue
            found = confident(detector.detections(image, **tiles), confidence)
            boxes = as_json(found, class_names)
            results += as_results(boxes, found, category_ids, len(predictions) + 1, inner.as_posix())
            over = None
            if output is not None:
                over = output / "overlays" / f"{name}.jpg"
                write_picture(drawn(image, found, class_names), over)
            predictions.append(BoxPrediction(str(file), boxes, None if over is None else str(over)))
    if output is not None:
        write_results(results, output / "boxes.json")
    return predictions


def confident(found: Detections, least: float) -> Detections:
    """The boxes with at least that score."""
    return Detections(*(each[found.scores >= least] for each in found))


def as_json(found: Detections, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Of each box `class`, `score`, `bbox`; pixels to a hundredth, scores to a ten thousandth."""
    return [
        {
            "class": class_names[int(label)],
            "score": round(float(score), 4),
            "bbox": [round(float(side), 2) for side in (*box[:2], *(box[2:] - box[:2]))],
        }
        for box, score, label in zip(*found, strict=True)
    ]


def as_results(
    boxes: Sequence[dict[str, Any]], found: Detections, category_ids: Sequence[int], number: int, name: str
) -> list[dict[str, Any]]:
    """The boxes as COCO's results have them, with the image's number among those that were given, its name and the class's."""
    return [
        {
            "image_id": number,
            "file_name": name,
            "category_id": int(category_ids[int(label)]),
            "category_name": each["class"],
            "bbox": each["bbox"],
            "score": each["score"],
        }
        for each, label in zip(boxes, found.classes, strict=True)
    ]


def write_results(results: Sequence[dict[str, Any]], file: Path) -> None:
    """A JSON list, a box a line."""
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in results)
    with replacing(file) as temporary:
        temporary.write_text(f"[\n{lines}\n]\n" if results else "[]\n", encoding="utf-8")


def write_picture(pixels: np.ndarray, file: Path) -> None:
    """A JPEG."""
    with replacing(file) as temporary:
        Image.fromarray(pixels).save(temporary, format="JPEG", quality=90)


def unique(name: str, taken: set[str]) -> str:
    """A name that isn't taken yet, and now is."""
    number = 1
    while (found := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    taken.add(found)
    return found
