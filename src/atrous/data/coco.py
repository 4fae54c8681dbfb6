"""COCO's instances in JSON: masks are drawn from polygons and run lengths, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.masks import VOID
from atrous.data.segmentation import Layout, Pair

_PARTS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


def is_coco(folder: Path) -> bool:
    """Whether a folder, or `annotations` in it, has `instances_*.json`."""
    return bool(_jsons(folder))


def coco_layout(folder: Path, file: Path | None = None) -> Layout:
    """The parts are those of `instances_train.json`, `instances_val2017.json`, …; label 0 is the background.

    Where instances overlap, the smaller one is on top; crowds are void. Images lie in `images`, `JPEGImages`, a folder called
    as the part is, or beside the JSON file.

    Args:
        folder: the data set's.
        file: a file that is meant; if it is called as those of a data set are, its other parts are taken, too.

    Raises:
        ImportError: if pycocotools isn't installed.
        ValueError: if a file isn't COCO's JSON, or the parts have different categories.
        FileNotFoundError: if an image isn't there.
    """
    beside = _jsons(folder)
    files = beside if file is None or file in beside else [file]
    parts: dict[str, list[Pair]] = {}
    names: tuple[str, ...] | None = None
    for each in files:
        coco = _read(each)
        categories = sorted(coco.loadCats(coco.getCatIds()), key=lambda category: category["id"])
        found = ("background", *(str(category["name"]) for category in categories))
        if names is not None and found != names:
            raise ValueError(
                f"{str(each)!r} must have the categories of the other parts, {list(names)}. Received: {list(found)}."
            )
        names = found
        labels = {category["id"]: label for label, category in enumerate(categories, 1)}
        part = next((part for word, part in _PARTS.items() if word in each.stem), "train")
        parts[part] = [
            Pair(_image(folder, each, image["file_name"]), _Drawn(coco, image, labels), str(image["file_name"]))
            for image in coco.loadImgs(sorted(coco.getImgIds()))
        ]
    if "train" not in parts:
        raise ValueError(
            f"{str(folder)!r} must have instances_train….json. Received: {', '.join(each.name for each in files)}."
        )
    return Layout(parts, names)


class _Drawn:
    """A mask, drawn when it is asked for."""

    def __init__(self, coco: Any, image: dict[str, Any], labels: dict[int, int]) -> None:
        self._coco, self._image, self._labels = coco, image, labels

    def __call__(self) -> NDArray[np.uint8]:
        mask = np.zeros((self._image["height"], self._image["width"]), np.uint8)
        instances = self._coco.imgToAnns[self._image["id"]]
        for instance in sorted(instances, key=lambda each: -float(each.get("area", 0))):
            inside = self._coco.annToMask(instance).astype(bool)
            mask[inside] = VOID if instance.get("iscrowd") else self._labels[instance["category_id"]]
        return mask


def _jsons(folder: Path) -> list[Path]:
    return [path for place in (folder, folder / "annotations") for path in sorted(place.glob("instances_*.json"))]


def _read(file: Path) -> Any:
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise ImportError("COCO's masks need pycocotools: pip install 'atrous[detection]'.") from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it took
            return COCO(str(file))
    except (ValueError, KeyError, AssertionError, TypeError) as error:
        raise ValueError(
            f"{str(file)!r} must be JSON with COCO's images, categories and annotations. Received: {error!r}."
        ) from error


def _image(folder: Path, file: Path, name: str) -> Path:
    part = file.stem.removeprefix("instances_")
    places = [folder / "images" / part, folder / "images", folder / "JPEGImages", folder / part, folder, file.parent]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(
        f"{str(file)!r} names an image that must lie in images, JPEGImages or {part}. Received: no file {name!r} there."
    )
