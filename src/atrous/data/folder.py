"""A folder of images, one sub-folder a class."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atrous.data.dataset import Dataset, Split, middle_if_none
from atrous.data.images import EXTENSIONS, Header, read_header, read_image
from atrous.data.stratified import stratified

LARGEST_DEFAULT = 224  # pixels a side
_PARTS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}


class FolderSplit(Split):
    """Image files that are decoded when they are asked for."""

    def __init__(
        self,
        root: Path,
        files: Sequence[Path],
        labels: ArrayLike,
        image_shape: tuple[int, int, int],
        resize: str = "stretch",
    ):
        """Takes files and their classes.

        Args:
            root: the folder that names of examples are relative to.
            files: n image files below `root`.
            labels: (n,) integers.
            image_shape: height, width, channels that every image is converted to.
            resize: how: one of `images.RESIZES`.
        """
        self.files = tuple(files)
        self.labels = np.asarray(labels, np.int64)
        self.is_cut = resize == "crop"
        self._root = root
        self._image_shape = image_shape
        self._resize = resize

    def images(self, indices: ArrayLike, places: ArrayLike | None = None) -> NDArray[np.uint8]:
        """Decodes examples; see `Split.images`.

        Raises:
            ValueError: if a file is no longer what it was when the data set was loaded.
        """
        indices = np.asarray(indices, np.int64)
        images = np.empty((len(indices), *self._image_shape), np.uint8)
        for target, index, place in zip(images, indices, middle_if_none(places, len(indices)), strict=True):
            target[:] = self._image(self.files[index], place)
        return images

    def _image(self, file: Path, place: float) -> NDArray[np.uint8]:
        try:
            return read_image(file, self._image_shape, self._resize, place)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.__cause__
            raise ValueError(
                f"{str(file)!r} must stay as it was while it is in use. Received: {reason or error}. Bring it back; a training "
                "then goes on from its last whole epoch with: atrous train --resume RUN"
            ) from error

    def name(self, index: int) -> str:
        """Path of the file, relative to the data set's folder."""
        return self.files[index].relative_to(self._root).as_posix()


def load_image_folder(
    folder: Path,
    seed: int,
    image_size: tuple[int, int] | None = None,
    resize: str = "stretch",
    strict: bool = False,
    channels: int | None = None,
) -> Dataset:
    """Loads a folder of JPEG, PNG, BMP, GIF or WebP images with one sub-folder a class.

    If the folder has nothing but `train` and perhaps `validation` (or `val`) and `test` in it, the classes are below
    these, and a part that is missing is taken from `train`, a tenth of each class. Else the split is 80/10/10
    within each class. Files without an image's extension and names that start with a dot are left alone.

    Every file is decoded once, so that what is wrong is found before training: a file that can't be read is left out, and named
    in `skipped`. A class with fewer images than there are parts to make is trained on, but not tested; `notes` says so.

    Args:
        folder: the folder; nothing in it is changed.
        seed: chooses the examples of the parts that are not given as folders.
        image_size: height and width that every image is resized to. By default the median of the images,
            but at most 224 a side.
        resize: how: one of `images.RESIZES`.
        strict: whether a file that can't be read, or a class that can't be tested, is an error.
        channels: 1 or 3; by default one if all images are stored as gray, else three, RGB.

    Raises:
        ValueError: if a class has no image, if there are fewer than two classes, if nothing can be tested; or, with `strict`,
            if something would be left out.
    """
    given = _parts(folder)
    class_names = tuple(path.name for path in _folders(given["train"]))
    if len(class_names) < 2:
        raise ValueError(
            f"{str(given['train'])!r} must hold one sub-folder of images for each of at least two classes. "
            f"Received: {len(class_names)} sub-folder(s) {list(class_names)}."
        )
    found = {part: _list(path, class_names) for part, path in given.items()}
    headers, skipped = _headers([file for files, _ in found.values() for file in files], strict)
    listed = {part: _readable(given[part], files, labels, headers, class_names) for part, (files, labels) in found.items()}
    gray = all(header.gray for header in headers.values())
    image_shape = (*(image_size or _default_size([*headers.values()])), channels or (1 if gray else 3))
    parts, thin = _complete(listed, class_names, seed, strict)
    splits = {part: FolderSplit(folder, files, labels, image_shape, resize) for part, (files, labels) in parts.items()}
    return Dataset(
        folder.name,
        class_names,
        image_shape,
        splits["train"],
        splits["validation"],
        splits["test"],
        skipped=tuple((file.relative_to(folder).as_posix(), why) for file, why in skipped.items()),
        notes=(*thin, *alike(class_names), *_left_alone(folder, given)),
    )


_Listing = tuple[list[Path], list[int]]


def alike(class_names: Sequence[str]) -> list[str]:
    """A sentence for names that differ in case only: most likely one class in two folders."""
    same: dict[str, list[str]] = {}
    for name in class_names:
        same.setdefault(name.casefold(), []).append(name)
    return [
        f"{' and '.join(map(repr, names))} differ in case only, and are taken as {len(names)} classes."
        for names in same.values()
        if len(names) > 1
    ]


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
                f"in it{_instead(class_folder)}. Add some or remove the folder."
            )
        files += found
        labels += [label] * len(found)
    if not files:
        raise ValueError(f"{str(folder)!r} must hold one sub-folder of images a class. Received: no images.")
    return files, labels


def _instead(class_folder: Path) -> str:
    """What a class has in the place of images."""
    nested, others = _below(class_folder), _others(class_folder)
    if nested:
        return f", but {len(nested)} in folders below, such as {nested[0].relative_to(class_folder).as_posix()!r}"
    return f", but {len(others)} other file(s), such as {others[0].name!r}" if others else ""


def _readable(folder: Path, files: list[Path], labels: list[int], headers: Collection[Path], names: Sequence[str]) -> _Listing:
    kept = [(file, label) for file, label in zip(files, labels, strict=True) if file in headers]
    for label in sorted(set(labels) - {label for _, label in kept}):
        raise ValueError(
            f"{str(folder / names[label])!r} must hold images that can be read. Received: {labels.count(label)} file(s), all "
            "damaged. Replace them or remove the folder."
        )
    return [file for file, _ in kept], [label for _, label in kept]


def _complete(
    listed: dict[str, _Listing], class_names: tuple[str, ...], seed: int, strict: bool
) -> tuple[dict[str, _Listing], list[str]]:
    """All three parts, and a sentence if a class isn't in those that are made here."""
    missing = [part for part in ("validation", "test") if part not in listed]
    files, labels = listed["train"]
    counts = np.bincount(labels, minlength=len(class_names))
    few = {name: int(count) for name, count in zip(class_names, counts, strict=True) if count <= len(missing)}
    if few and (strict or len(few) == len(class_names)):
        who = "Each class" if strict else "At least one class"
        raise ValueError(
            f"{who} must have at least {1 + len(missing)} images, one for each of train, {', '.join(missing)}. "
            f"Received: {few}. Add images, or make train, validation and test folders."
        )
    rows = stratified(labels, (1 - 0.1 * len(missing), *[0.1] * len(missing)), seed)
    taken = {
        part: ([files[i] for i in indices], [labels[i] for i in indices])
        for part, indices in zip(["train", *missing], rows, strict=True)
    }
    return listed | taken, [_thin(few, missing)] if few else []


def _thin(few: dict[str, int], missing: list[str]) -> str:
    named = ", ".join(f"{name} ({count})" for name, count in few.items())
    parts = " or ".join(missing)
    return f"Classes with too few images to be in {parts}: {named}. They are trained on, but it isn't known how well."


def _left_alone(folder: Path, given: dict[str, Path]) -> list[str]:
    """Sentences on what is in class folders beside images: it may have been meant to count."""
    classes = [path for part in given.values() for path in _folders(part)]
    others, nested = ([file for path in classes for file in find(path)] for find in (_others, _below))
    told = []
    if others:
        told.append(
            f"{len(others)} file(s) that aren't images by name were left alone, such as {_relative(others[0], folder)!r}."
        )
    if nested:
        told.append(
            f"{len(nested)} image(s) in folders inside a class were left alone, such as {_relative(nested[0], folder)!r}."
        )
    return told


def _others(class_folder: Path) -> list[Path]:
    return sorted(
        path
        for path in class_folder.iterdir()
        if not path.name.startswith(".") and not path.is_dir() and path.suffix.lower() not in EXTENSIONS
    )


def _below(class_folder: Path) -> list[Path]:
    return sorted(path for each in _folders(class_folder) for path in each.rglob("*") if _is_image(path))


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _headers(files: list[Path], strict: bool) -> tuple[dict[Path, Header], dict[Path, str]]:
    """What is known of the files that can be read, and why the others can't."""

    def look(file: Path) -> Header | str:
        try:
            return read_header(file)
        except ValueError as error:
            if strict:
                raise
            return str(error)

    with ThreadPoolExecutor() as pool:  # mostly waiting for the disk
        found = dict(zip(files, pool.map(look, files), strict=True))
    skipped = {file: why for file, why in found.items() if isinstance(why, str)}
    return {file: header for file, header in found.items() if isinstance(header, Header)}, skipped


def _default_size(headers: list[Header]) -> tuple[int, int]:
    height, width = np.median([(header.height, header.width) for header in headers], axis=0)
    return min(int(height), LARGEST_DEFAULT), min(int(width), LARGEST_DEFAULT)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
