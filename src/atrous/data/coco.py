"""COCO's instances in JSON: boxes, and masks, drawn from polygons and run lengths by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atrous.data.boxes import Annotated, BoxLayout, Objects
from atrous.data.masks import VOID
from atrous.data.segmentation import Layout, Pair

_PARTS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
_BESIDE_IMAGES = "_annotations.coco.json"  # where a data set has a folder a part, with the images in it


def is_coco(folder: Path) -> bool:
    """Whether a folder, or `annotations` in it, has `instances_*.json`, or its parts have `_annotations.coco.json`."""
    return bool(_jsons(folder))


def coco_layout(folder: Path, file: Path | None = None) -> Layout:
    """Masks of the parts of `instances_train.json`, `instances_val2017.json`, …; label 0 is the background.

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
    parts: dict[str, list[Pair]] = {}
    names: tuple[str, ...] = ()
    for part in _parts(folder, file):
        names = ("background", *part.names)
        labels = {number: label for label, number in enumerate(part.ids, 1)}
        parts[part.name] = [
            Pair(_image(folder, part.file, image["file_name"]), _Drawn(part.coco, image, labels), str(image["file_name"]))
            for image in part.images
        ]
    return Layout(parts, names)


def coco_boxes(folder: Path, file: Path | None = None) -> BoxLayout:
    """Boxes of the same files; label 0 is the category with the lowest number. An image without boxes is there, too.

    Args:
        folder: the data set's.
        file: as for `coco_layout`.

    Raises:
        As for `coco_layout`; and ValueError if an annotation has no `bbox`, or is of a category or image that isn't listed.
    """
    parts: dict[str, list[Annotated]] = {}
    names: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    for part in _parts(folder, file):
        names, ids = part.names, part.ids
        labels = {each: label for label, each in enumerate(ids)}
        unknown = set(part.coco.imgToAnns) - {image["id"] for image in part.images}
        if unknown:
            raise ValueError(
                f"Annotations of {str(part.file)!r} must be of images that it lists. Received: image_id={min(unknown)!r}."
            )
        parts[part.name] = [
            Annotated(
                _image(folder, part.file, image["file_name"]),
                str(image["file_name"]),
                Objects.of([_box(each, labels, part.file) for each in part.coco.imgToAnns.get(image["id"], ())]),
                (int(image["height"]), int(image["width"])) if image.get("height") and image.get("width") else None,
            )
            for image in part.images
        ]
    return BoxLayout(parts, names, ids)


class _Part(NamedTuple):
    """A file, read."""

    name: str
    file: Path
    coco: Any
    images: list[dict[str, Any]]
    names: tuple[str, ...]
    ids: tuple[int, ...]


def _parts(folder: Path, file: Path | None) -> Iterator[_Part]:
    """Every file of a data set; all have the same categories, and one is for training."""
    beside = _jsons(folder)
    files = beside if file is None or file in beside else [file]
    found: dict[str, _Part] = {}
    for each in files:
        coco = _read(each)
        categories = sorted(coco.loadCats(coco.getCatIds()), key=lambda category: category["id"])
        names = tuple(str(category["name"]) for category in categories)
        first = next(iter(found.values()), None)
        if first is not None and names != first.names:
            raise ValueError(
                f"{str(each)!r} must have the categories of the other parts, {list(first.names)}. Received: {list(names)}."
            )
        word = each.parent.name if each.name == _BESIDE_IMAGES else each.stem
        part = next((part for start, part in _PARTS.items() if start in word), "train")
        images = coco.loadImgs(sorted(coco.getImgIds()))
        found[part] = _Part(part, each, coco, images, names, tuple(int(category["id"]) for category in categories))
    if "train" not in found:
        raise ValueError(
            f"{str(folder)!r} must have instances_train….json. Received: {', '.join(each.name for each in files)}."
        )
    yield from found.values()


def _box(annotation: dict[str, Any], labels: dict[int, int], file: Path) -> tuple[Any, int, str, float | None]:
    """Sides, label, "crowd" or "", area."""
    number, box = annotation.get("id"), annotation.get("bbox")
    if annotation.get("category_id") not in labels:
        raise ValueError(
            f"Annotation {number} of {str(file)!r} must have a category that the file lists, one of {list(labels)[:20]}. "
            f"Received: category_id={annotation.get('category_id')!r}."
        )
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, (int, float)) for side in box):
        raise ValueError(
            f"Annotation {number} of {str(file)!r} must have a `bbox`, [left, top, width, height]. Received: bbox={box!r}."
        )
    left, top, width, height = box
    area = annotation.get("area")
    area = float(area) if isinstance(area, (int, float)) and area > 0 else None
    crowd = "crowd" if annotation.get("iscrowd") else ""
    return (left, top, left + width, top + height), labels[annotation["category_id"]], crowd, area


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
    found = [path for place in (folder, folder / "annotations") for path in sorted(place.glob("instances_*.json"))]
    places = (folder, *(folder / part for part in _PARTS))
    return found or [place / _BESIDE_IMAGES for place in places if (place / _BESIDE_IMAGES).is_file()]


def _read(file: Path) -> Any:
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise ImportError("COCO's masks and boxes need pycocotools: pip install 'atrous[detection]'.") from error
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it took
            return COCO(str(file))
    except (ValueError, KeyError, AssertionError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{str(file)!r} must be JSON with COCO's images, categories and annotations. Received: {error!r}."
        ) from error


def _image(folder: Path, file: Path, name: str) -> Path:
    part = file.stem.removeprefix("instances_")
    places = [folder / "images" / part, folder / "images", folder / "JPEGImages", folder / part, folder, file.parent]
    places = [file.parent] if file.name == _BESIDE_IMAGES else places
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(
        f"{str(file)!r} names an image that must lie in images, JPEGImages or {part}. Received: no file {name!r} there."
    )
