"""Pascal VOC's boxes: an XML file an image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from atrous.data.boxes import Annotated, BoxLayout, Objects
from atrous.data.voc import class_names, image_of, images_by_stem, read_lists

_BACKGROUND = ("background", "__background__", "_background_")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


class _Found(NamedTuple):
    """An `<object>`: its class, its sides as pixels are counted here, and whether it is difficult."""

    name: str
    sides: tuple[float, ...]
    difficult: bool


def is_voc_boxes(folder: Path) -> bool:
    """Whether a folder has images and XML files as Pascal VOC has them."""
    return (folder / "JPEGImages").is_dir() and any((folder / "Annotations").glob("*.xml"))


def voc_boxes(folder: Path) -> BoxLayout:
    """`ImageSets/Main/train.txt`, `val.txt`, `test.txt` list names of images; without these, all with an XML file are taken.

    Corners in the files are pixels, counted from 1, that belong to the box: it ends behind them. Difficult objects are
    ignored. Classes are those of `labels.txt`, without the background if that comes first, or all names that occur, sorted.

    Raises:
        FileNotFoundError: if a list names an image that isn't there, or has no XML file.
        ValueError: if a file isn't an annotation, or has a class that `labels.txt` doesn't name.
    """
    parts = read_lists(folder / "ImageSets" / "Main")
    files = {path.stem: path for path in sorted((folder / "Annotations").glob("*.xml"))}
    if "test" in parts and not any(stem in files for stem in parts["test"]):
        del parts["test"]  # the challenges' own test annotations aren't all published
    if "train" not in parts:
        parts = {"train": list(files)}
    images = images_by_stem(folder)
    for stem in (stem for part in parts.values() for stem in part):
        for path in (image_of(images, stem, folder), files.get(stem, folder / "Annotations" / f"{stem}.xml")):
            if not path.is_file():
                raise FileNotFoundError(
                    "Every name in a list of ImageSets/Main must have an image in JPEGImages and a file in Annotations. "
                    f"Received: no file {str(path)!r}."
                )
    found = {stem: _read(files[stem]) for part in parts.values() for stem in part}
    told = class_names(folder)
    if told and told[0].lower() in _BACKGROUND:
        told = told[1:]
    names = told or tuple(sorted({each.name for objects, _ in found.values() for each in objects}))
    labels = {name: label for label, name in enumerate(names)}
    for stem, (objects, _) in found.items():
        for each in objects:
            if each.name not in labels:
                raise ValueError(
                    f"Classes in {str(files[stem])!r} must be those of labels.txt, {list(names)}. Received: {each.name!r}."
                )

    def annotated(stem: str) -> Annotated:
        objects, size = found[stem]
        rows = [(each.sides, labels[each.name], "difficult" if each.difficult else "", None) for each in objects]
        return Annotated(images[stem], stem, Objects.of(rows), size)

    split = {name: [annotated(stem) for stem in part] for name, part in parts.items()}
    return BoxLayout(split, names, tuple(range(1, len(names) + 1)))


def _read(file: Path) -> tuple[list[_Found], tuple[int, int] | None]:
    """The objects, and height and width if they are written."""
    try:
        root = ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(file)!r} must be an XML file as Pascal VOC has them. Received: {error}.") from error
    height, width = (_number(root.find(f"size/{name}"), 0.0) for name in ("height", "width"))
    size = (int(height), int(width)) if height > 0 and width > 0 else None
    return [_object(each, file) for each in root.findall("object")], size


def _object(node: ElementTree.Element, file: Path) -> _Found:
    name, box = (node.findtext("name") or "").strip(), node.find("bndbox")
    if not name or box is None or any(box.find(side) is None for side in _SIDES):
        raise ValueError(
            f"Every <object> of {str(file)!r} must have a <name> and a <bndbox> with {', '.join(_SIDES)}. "
            f"Received: {ElementTree.tostring(node, 'unicode')[:120]!r}."
        )
    left, top, right, bottom = (_number(box.find(side), math.nan) for side in _SIDES)
    return _Found(name, (left - 1, top - 1, right, bottom), (node.findtext("difficult") or "").strip() == "1")


def _number(node: ElementTree.Element | None, default: float) -> float:
    try:
        return default if node is None else float(node.text or "")
    except ValueError:
        return default
