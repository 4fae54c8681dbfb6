"""A folder of images, one sub-folder a class."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atrous.data.dataset import Dataset, Split
from atrous.data.images import EXTENSIONS, Header, read_header, read_image
from atrous.data.stratified import stratified

LARGEST_DEFAULT = 224  # pixels a side
_PARTS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}


class FolderSplit(Split):
    """Image files that are decoded when they are asked for."""

    def __init__(self, root: Path, files: Sequence[Path], labels: ArrayLike, image_shape: tuple[int, int, int]):
        """Takes files and their classes.

        Args:
            root: the folder that names of examples are relative to.
            files: n image files below `root`.
            labels: (n,) integers.
            image_shape: height, width, channels that every image is converted to.
        """
        self.files = tuple(files)
        self.labels = np.asarray(labels, np.int64)
        self._root = root
        self._image_shape = image_shape

    def images(self, indices: ArrayLike) -> NDArray[np.uint8]:
        """Decodes examples; see `Split.images`."""
        indices = np.asarray(indices, np.int64)
        images = np.empty((len(indices), *self._image_shape), np.uint8)
        for target, index in zip(images, indices, strict=True):
            target[:] = read_image(self.files[index], self._image_shape)
        return images

    def name(self, index: int) -> str:
        """Path of the file, relative to the data set's folder."""
        return self.files[index].relative_to(self._root).as_posix()


def load_image_folder(folder: Path, seed: int, image_size: tuple[int, int] | None = None) -> Dataset:
    """Loads a folder of JPEG, PNG, BMP, GIF or WebP images with one sub-folder a class.

    If the folder has nothing but `train` and perhaps `validation` (or `val`) and `test` in it, the classes are below
    these, and a part that is missing is taken from `train`, a tenth of each class. Else the split is 80/10/10
    within each class. Files without an image's extension and names that start with a dot are left alone.

    Args:
        folder: the folder; nothing in it is changed.
        seed: chooses the examples of the parts that are not given as folders.
        image_size: height and width that every image is resized to. By default the median of the images,
            but at most 224 a side.

    Returns:
        The data set: gray (one channel) if all images are stored as gray, else RGB.

    Raises:
        ValueError: if a class has no image or too few, if there are fewer than two classes, or if a file with the
            extension of an image is not one, or is truncated.
    """
    given = _parts(folder)
    class_names = tuple(path.name for path in _folders(given["train"]))
    if len(class_names) < 2:
        raise ValueError(
            f"{str(given['train'])!r} must hold one sub-folder of images for each of at least two classes. "
            f"Received: {len(class_names)} sub-folder(s) {list(class_names)}."
        )
    listed = {part: _list(path, class_names) for part, path in given.items()}
    headers = _headers([file for files, _ in listed.values() for file in files])
    gray = all(header.gray for header in headers)
    image_shape = (*(image_size or _default_size(headers)), 1 if gray else 3)
    splits = {
        part: FolderSplit(folder, files, labels, image_shape)
        for part, (files, labels) in _complete(listed, class_names, seed).items()
    }
    return Dataset(folder.name, class_names, image_shape, splits["train"], splits["validation"], splits["test"])


_Listing = tuple[list[Path], list[int]]


def _parts(folder: Path) -> dict[str, Path]:
    folders = _folders(folder)
    names = [path.name.lower() for path in folders]
    # With any other name beside them they are classes: a train is also a vehicle.
    if "train" not in names or not set(names) <= set(_PARTS):
        return {"train": folder}
    parts = {_PARTS[name]: path for name, path in zip(names, folders, strict=True)}
    if len(parts) < len(folders):
        raise ValueError(
            f"{str(folder)!r} must hold each part once. Received: {[path.name for path in folders]}. "
            "Rename one of the validation folders."
        )
    return parts


def _list(folder: Path, class_names: tuple[str, ...]) -> _Listing:
    unknown = [path.name for path in _folders(folder) if path.name not in class_names]
    if unknown:
        raise ValueError(f"{str(folder)!r} must hold classes of the training part, {list(class_names)}. Received: {unknown}.")
    files: list[Path] = []
    labels: list[int] = []
    for label, class_folder in ((class_names.index(path.name), path) for path in _folders(folder)):
        found = sorted(path for path in class_folder.iterdir() if _is_image(path))
        if not found:
            raise ValueError(
                f"{str(class_folder)!r} must hold images ({', '.join(sorted(EXTENSIONS))}). Received: none directly "
                "in it. Add some or remove the folder."
            )
        files += found
        labels += [label] * len(found)
    if not files:
        raise ValueError(f"{str(folder)!r} must hold one sub-folder of images a class. Received: no images.")
    return files, labels


def _complete(listed: dict[str, _Listing], class_names: tuple[str, ...], seed: int) -> dict[str, _Listing]:
    missing = [part for part in ("validation", "test") if part not in listed]
    files, labels = listed["train"]
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() <= len(missing):
        few = {name: int(count) for name, count in zip(class_names, counts, strict=True) if count <= len(missing)}
        raise ValueError(
            f"Each class must have at least {1 + len(missing)} images, one for each of train, {', '.join(missing)}. "
            f"Received: {few}. Add images, or make train, validation and test folders."
        )
    rows = stratified(labels, (1 - 0.1 * len(missing), *[0.1] * len(missing)), seed)
    taken = {
        part: ([files[i] for i in indices], [labels[i] for i in indices])
        for part, indices in zip(["train", *missing], rows, strict=True)
    }
    return listed | taken


def _headers(files: list[Path]) -> list[Header]:
    with ThreadPoolExecutor() as pool:  # mostly waiting for the disk
        return list(pool.map(read_header, files))


def _default_size(headers: list[Header]) -> tuple[int, int]:
    height, width = np.median([(header.height, header.width) for header in headers], axis=0)
    return min(int(height), LARGEST_DEFAULT), min(int(width), LARGEST_DEFAULT)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
