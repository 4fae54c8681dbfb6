"""A tiny data set of disks and squares with masks, in each format that masks come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atrous.data.masks import to_palette_image, voc_palette

NAMES = ("background", "disk", "square")
COLOURS = ((0, 0, 0), (160, 20, 0), (0, 30, 170))
PALETTE = voc_palette(3)


def draw(count: int, side: int = 48) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images (side, side, 3) of noise with a disk and a square each, and masks; a pixel's border around the disk is void."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    drawn = []
    for _ in range(count):
        image, mask = rng.uniform(0, 90, (side, side, 3)), np.zeros((side, side), np.uint8)
        for label in (1, 2):
            (cy, cx), r = rng.uniform(0.25 * side, 0.75 * side, 2), rng.uniform(0.12 * side, 0.22 * side)
            distance = np.hypot(y - cy, x - cx) if label == 1 else np.maximum(abs(y - cy), abs(x - cx))
            if label == 1:
                mask[distance < r + 1] = 255
            image[distance < r] = rng.uniform(0, 60, 3) + COLOURS[label]
            mask[distance < r] = label
        drawn.append((image.astype(np.uint8), mask))
    return drawn


def folders(folder: Path, count: int = 10, side: int = 48, names: bool = True) -> Path:
    """Images and masks of equal names."""
    for i, (image, mask) in enumerate(draw(count, side)):
        _save(image, folder / "images" / f"{i:02}.jpg")
        _save(to_palette_image(mask, PALETTE), folder / "masks" / f"{i:02}.png")
    if names:
        (folder / "labels.txt").write_text("\n".join(NAMES) + "\n")
    return folder


def voc(folder: Path, count: int = 10) -> Path:
    """Pascal VOC's folders, the last two for validation."""
    stems = [f"2007_{i:03}" for i in range(count)]
    for stem, (image, mask) in zip(stems, draw(count), strict=True):
        _save(image, folder / "JPEGImages" / f"{stem}.jpg")
        _save(to_palette_image(mask, PALETTE), folder / "SegmentationClass" / f"{stem}.png")
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(stems[:-2]) + "\n")
    (lists / "val.txt").write_text("\n".join(stems[-2:]) + "\n")
    return folder


def coco(folder: Path, count: int = 10) -> Path:
    """COCO's JSON with run lengths, categories 7 and 11."""
    every = draw(count)
    for part, chosen in (("train", range(count - 2)), ("val", range(count - 2, count))):
        content: dict[str, Any] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 11, "name": "square"}, {"id": 7, "name": "disk"}],
        }
        for i in chosen:
            image, mask = every[i]
            _save(image, folder / "images" / f"{i}.jpg")
            content["images"].append({"id": i, "file_name": f"{i}.jpg", "height": len(mask), "width": len(mask[0])})
            for label, category in ((1, 7), (2, 11)):
                inside = (mask == label).ravel(order="F")
                changes = np.flatnonzero(np.diff(np.concatenate([[0], inside, [0]])))
                ends = np.concatenate([[0], changes, [inside.size]]).astype(int)
                rle = {"size": list(mask.shape), "counts": np.diff(ends).tolist()}
                number = len(content["annotations"]) + 1
                content["annotations"].append(
                    {"id": number, "image_id": i, "category_id": category, "segmentation": rle, "area": int(inside.sum())}
                    | {"iscrowd": 0, "bbox": [0, 0, 1, 1]}
                )
        (folder / f"instances_{part}.json").write_text(json.dumps(content))
    return folder


def _save(image: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(file, **({"quality": 95} if file.suffix == ".jpg" else {}))
