"""What every loader returns: a `Dataset` of three `Split`s."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atrous.data.images import resize
from atrous.data.stratified import stratified


class Split(ABC):
    """Labelled images that are read when they are asked for.

    Attributes:
        labels: (n,) int64, the class of every example.
        is_cut: whether images are cut to their size, so that `places` says where.
    """

    labels: NDArray[np.int64]
    is_cut: bool = False

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.labels)

    @abstractmethod
    def images(self, indices: ArrayLike, places: ArrayLike | None = None) -> NDArray[np.uint8]:
        """Reads examples.

        Args:
            indices: (k,) integers, each below `len(self)`.
            places: (k,) numbers, 0..1: where each image is cut along its longer side; by default in the middle.

        Returns:
            (k, height, width, channels) uint8, 0..255.
        """

    @abstractmethod
    def name(self, index: int) -> str:
        """Where the example comes from: a file name, or "test #12"."""


@dataclass(frozen=True)
class Dataset:
    """Three disjoint parts of one classification data set.

    Attributes:
        name: a built-in name, or the folder's name.
        class_names: label → name.
        image_shape: height, width, channels of every image.
        train: what the weights are fitted to.
        validation: what the best epoch is chosen by.
        test: what is looked at once, at the end.
        kind: what the images are known to be, wherever they were loaded from: "fashion-mnist", "cifar10", or "images".
        skipped: files that could not be read, and why.
        notes: what else the user should know before training, a sentence each.
    """

    name: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    train: Split
    validation: Split
    test: Split
    kind: str = "images"
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


class ArraySplit(Split):
    """Rows of an array in memory; the array is shared between splits, not copied."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: ArrayLike,
        origin: str,
        rows: NDArray[np.int64] | None = None,
        image_size: tuple[int, int] | None = None,
    ):
        """Selects rows.

        Args:
            images: (n, height, width, channels) uint8.
            labels: (n,) integers.
            origin: name of the part that `images` is, e.g. "train".
            rows: (k,) the rows that belong to this split; all of them by default.
            image_size: height and width to resize to when read; by default as they are.
        """
        self.rows = np.arange(len(images)) if rows is None else rows
        self.labels = np.asarray(labels, np.int64)[self.rows]
        self._images = images
        self._origin = origin
        self._image_size = image_size

    def cut(self) -> ArraySplit:
        """The same, with proportions kept."""
        split = copy.copy(self)
        split.is_cut = True
        return split

    def images(self, indices: ArrayLike, places: ArrayLike | None = None) -> NDArray[np.uint8]:
        """Reads examples; see `Split.images`."""
        images = self._images[self.rows[np.asarray(indices, np.int64)]]
        if self._image_size is None or self._image_size == images.shape[1:3]:
            return images
        resized = np.empty((len(images), *self._image_size, images.shape[3]), np.uint8)
        method = "crop" if self.is_cut else "stretch"
        for target, image, place in zip(resized, images, middle_if_none(places, len(images)), strict=True):
            target[:] = resize(image, self._image_size, method, place)
        return resized

    def name(self, index: int) -> str:
        """The part and the row in it as published, e.g. "train #12"."""
        return f"{self._origin} #{self.rows[index]}"


def middle_if_none(places: ArrayLike | None, count: int) -> list[float]:
    """Places as numbers."""
    return [0.5] * count if places is None else np.asarray(places, np.float64).tolist()


def from_arrays(
    name: str,
    class_names: tuple[str, ...],
    train: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    test: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    seed: int,
    image_size: tuple[int, int] | None,
    kind: str = "images",
) -> Dataset:
    """Builds a data set from published train and test parts, a tenth of train becoming validation.

    Args:
        name: name of the data set.
        class_names: label → name.
        train: (n, height, width, channels) uint8 images and their (n,) labels.
        test: the same for the test part.
        seed: chooses the validation examples.
        image_size: height and width to resize to, or `None`.
        kind: see `Dataset`.

    Raises:
        ValueError: if no class has the two training examples that a validation part takes.
    """
    images, labels = train
    train_rows, validation_rows = stratified(labels, (0.9, 0.1), seed)
    if not len(validation_rows):
        raise ValueError(
            "`source` must hold at least two training examples of a class, to keep one for validation. "
            f"Received: {len(labels)} training examples in data set {name!r}."
        )
    return Dataset(
        name,
        class_names,
        (*(image_size or images.shape[1:3]), images.shape[3]),
        ArraySplit(images, labels, "train", train_rows, image_size),
        ArraySplit(images, labels, "train", validation_rows, image_size),
        ArraySplit(*test, "test", image_size=image_size),
        kind,
    )
