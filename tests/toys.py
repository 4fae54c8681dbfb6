"""A tiny data set of disks and squares with boxes, in each format that boxes come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ("disk", "square")
IDS = (7, 11)  # of COCO's categories
COLOURS = ((230, 60, 0), (0, 60, 240))


def draw(count: int, side: int = 64) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Images (side, side, 3) of noise with up to two things in them, boxes (n, 4) in whole pixels, labels (n,)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] + 0.5
    drawn = []
    for i in range(count):
        image, boxes, labels = rng.uniform(0, 90, (side, side, 3)), [], []
        for half in range(2) if i % 5 else ():  # every fifth image is empty
            label, extent = int(rng.integers(2)), int(rng.integers(side // 4, side // 2))
            left, top = half * side // 2 + int(rng.integers(side // 2 - extent + 1)), int(rng.integers(side - extent + 1))
            centre = (left + extent / 2, top + extent / 2)
            far = np.hypot(x - centre[0], y - centre[1]) if label == 0 else np.maximum(abs(x - centre[0]), abs(y - centre[1]))
            image[far < extent / 2] = COLOURS[label]
            boxes.append((left, top, left + extent, top + extent))
            labels.append(label)
        drawn.append((image.astype(np.uint8), np.array(boxes, float).reshape(-1, 4), np.array(labels, int)))
    return drawn


def coco(folder: Path, count: int = 12, side: int = 64) -> Path:
    """COCO's JSON, the last quarter for validation."""
    every = draw(count, side)
    cut = count - count // 4
    for part, chosen in (("train", range(cut)), ("val", range(cut, count))):
        categories = [{"id": number, "name": name} for number, name in zip(IDS[::-1], NAMES[::-1], strict=True)]
        content: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
        for i in chosen:
            image, boxes, labels = every[i]
            save(image, folder / "images" / f"{i:02}.jpg")
            content["images"].append({"id": i + 100, "file_name": f"{i:02}.jpg", "height": side, "width": side})
            for (left, top, right, bottom), label in zip(boxes.tolist(), labels, strict=True):
                sides = [left, top, right - left, bottom - top]
                of = {"id": len(content["annotations"]) + 1, "image_id": i + 100, "category_id": IDS[label]}
                content["annotations"].append({**of, "bbox": sides, "area": sides[2] * sides[3], "iscrowd": 0})
        (folder / f"instances_{part}.json").write_text(json.dumps(content))
    return folder


def voc(folder: Path, count: int = 12, side: int = 64, lists: bool = True) -> Path:
    """Pascal VOC's folders: corners are counted from 1."""
    stems = [f"{i:02}" for i in range(count)]
    (folder / "Annotations").mkdir(parents=True)
    for stem, (image, boxes, labels) in zip(stems, draw(count, side), strict=True):
        save(image, folder / "JPEGImages" / f"{stem}.jpg")
        objects = "".join(voc_object(NAMES[label], box) for label, box in zip(labels, boxes.astype(int).tolist(), strict=True))
        size = f"<size><width>{side}</width><height>{side}</height><depth>3</depth></size>"
        (folder / "Annotations" / f"{stem}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    if lists:
        place = folder / "ImageSets" / "Main"
        place.mkdir(parents=True)
        cut = count - count // 4
        (place / "train.txt").write_text("\n".join(stems[:cut]) + "\n")
        (place / "val.txt").write_text("\n".join(stems[cut:]) + "\n")
    return folder


def voc_object(name: str, box: Any, difficult: int = 0) -> str:
    left, top, right, bottom = box
    sides = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


def save(image: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file, quality=95)
