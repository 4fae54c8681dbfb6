"""Where images and masks lie: Pascal VOC's folders, and two folders of files with equal names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atrous.data.images import EXTENSIONS
from atrous.data.segmentation import Layout, Pair

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""Of the challenges from 2007 on (Everingham et al. 2010)."""

_PARTS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_MASKS = (".png", ".bmp", ".gif", ".jpg", ".jpeg")  # a JPEG is found, so that it is said what is wrong with it


def is_voc(folder: Path) -> bool:
    """Whether a folder has Pascal VOC's sub-folders."""
    return (folder / "JPEGImages").is_dir() and (folder / "SegmentationClass").is_dir()


def voc_layout(folder: Path) -> Layout:
    """`ImageSets/Segmentation/*.txt` list names of images in `JPEGImages` (any format) and masks in `SegmentationClass`.

    Raises:
        FileNotFoundError: if a list is missing, or an image or a mask that it names.
    """
    lists = folder / "ImageSets" / "Segmentation"
    if not (lists / "train.txt").is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} must have ImageSets/Segmentation/train.txt, which lists names of images. Received: no such file."
        )
    images = images_by_stem(folder)
    parts: dict[str, list[Pair]] = {}
    for name, stems in read_lists(lists).items():
        pairs = [Pair(image_of(images, stem, folder), folder / "SegmentationClass" / f"{stem}.png", stem) for stem in stems]
        if name == "test" and not any(pair.mask.exists() for pair in pairs if isinstance(pair.mask, Path)):
            continue  # VOC's own test masks aren't published
        parts[name] = pairs
    _require_masks(parts)
    told = class_names(folder)
    return Layout(parts, told or VOC_CLASSES, names_are_told=told is not None)


def read_lists(folder: Path) -> dict[str, list[str]]:
    """The names in `train.txt`, `val.txt` and `test.txt` of a folder, by part; a list that isn't there has no part."""
    found: dict[str, list[str]] = {}
    for name in ("train", "val", "test"):
        if (folder / f"{name}.txt").is_file():
            lines = (folder / f"{name}.txt").read_text("utf-8-sig").splitlines()
            found[_PARTS[name]] = [words[0] for words in map(str.split, lines) if words]
    return found


def images_by_stem(folder: Path) -> dict[str, Path]:
    """The images in `JPEGImages`, by their names without extension."""
    return {path.stem: path for path in sorted((folder / "JPEGImages").iterdir()) if path.suffix.lower() in EXTENSIONS}


def image_of(images: dict[str, Path], stem: str, folder: Path) -> Path:
    """One of them; or where it should be."""
    return images.get(stem, folder / "JPEGImages" / f"{stem}.jpg")


def is_folders(folder: Path) -> bool:
    """Whether a folder has images and masks, or parts that have."""
    return _has_both(folder) or _has_both(folder / "train")


def folder_layout(folder: Path) -> Layout:
    """`images/a.jpg` has the mask `masks/a.png`; parts are `images/train`, `masks/train`, or `train/images`, `train/masks`.

    Raises:
        FileNotFoundError: if an image has no mask.
    """
    if _has_both(folder):
        places = [
            (path.name, path, folder / "masks" / path.name) for path in _folders(folder / "images") if path.name in _PARTS
        ]
        places = places or [("train", folder / "images", folder / "masks")]
    else:
        places = [(path.name, path / "images", path / "masks") for path in _folders(folder) if path.name in _PARTS]
    parts: dict[str, list[Pair]] = {}
    for name, images, masks in places:
        of = {path.stem: path for path in _files(masks, _MASKS)}
        parts[_PARTS[name]] = [
            Pair(path, of.get(path.stem, masks / f"{path.stem}.png"), path.relative_to(folder).as_posix())
            for path in _files(images, tuple(EXTENSIONS))
        ]
    if "train" not in parts:
        raise FileNotFoundError(f"{str(folder)!r} must have a part 'train'. Received: {', '.join(parts)}.")
    _require_masks(parts)
    told = class_names(folder)
    return Layout(parts, told, names_are_told=told is not None, one_is_white=True)


def class_names(folder: Path) -> tuple[str, ...] | None:
    """What `labels.txt` or `classes.txt` says: a name a line."""
    for name in ("labels.txt", "classes.txt"):
        if (folder / name).is_file():
            lines = [line.strip() for line in (folder / name).read_text("utf-8-sig").splitlines()]
            return tuple(line for line in lines if line)
    return None


def _require_masks(parts: dict[str, list[Pair]]) -> None:
    missing = [path for pairs in parts.values() for pair in pairs for path in _missing(pair)]
    if missing:
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise FileNotFoundError(
            "Every image must have a mask of the same name, and every name in a list an image. "
            f"Received: no file {str(missing[0])!r}{more}."
        )


def _missing(pair: Pair) -> Iterator[Path]:
    for path in (pair.image, pair.mask):
        if isinstance(path, Path) and not path.is_file():
            yield path


def _has_both(folder: Path) -> bool:
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path, extensions: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{str(folder)!r} must be a folder, as its sibling is. Received: no such folder.")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in extensions and not path.name.startswith("."))
