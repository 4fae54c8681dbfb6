"""`load`: from a name or a folder to the loader that reads it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.cifar import CIFAR10_CLASSES, TEST_FILE, TRAIN_FILES, is_cifar_folder, load_cifar_folder
from atrous.data.dataset import ArraySplit, Dataset, from_arrays
from atrous.data.folder import load_image_folder
from atrous.data.idx import FASHION_CLASSES, FILES, is_idx_folder, load_idx_folder
from atrous.data.images import RESIZES

_Size = tuple[int, int] | None


def load(
    source: str | Path,
    seed: int = 0,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "stretch",
    strict: bool = False,
    channels: int | None = None,
) -> Dataset:
    """Loads a data set for image classification.

    Args:
        source: a built-in name:
            "fashion-mnist", 11,000 + 2,000 images that come with the package;
            "fashion-mnist-full" and "cifar10", the published sets, downloaded by `keras.datasets`;
            or a folder, which is told apart by what is in it:
            the four IDX files of the MNIST family (`idx.load_idx_folder`),
            the binary version of CIFAR-10 (`cifar.load_cifar_folder`),
            images in one sub-folder a class (`folder.load_image_folder`).
            A folder that is called like a built-in set is reached as "./cifar10".
        seed: chooses the examples of the parts that are not published as such (usually validation).
        image_size: height and width (or the side of a square) in pixels that images are resized to. By default they
            stay as they are; files of different sizes get their median, but at most 224 a side.
        resize: how they come to that size: one of `images.RESIZES`.
        strict: of a folder of images: whether a file that can't be read, or a class too small to be tested, is an error.
        channels: of a folder of images: 1 (gray) or 3 (colour); by default what they have.

    Returns:
        The data set; train, validation and test have no example in common.

    Raises:
        FileNotFoundError: if there is no such name or folder, or a file of the format is missing.
        ValueError: if `source` is a file, or something in the folder is damaged or does not fit.
        ConnectionError: if a download failed.
    """
    if seed < 0:
        raise ValueError(f"`seed` must not be negative. Received: seed={seed}")
    size = _size(image_size)
    if resize not in RESIZES:
        raise ValueError(f"`resize` must be one of {', '.join(RESIZES)}. Received: resize={resize!r}.")
    if isinstance(source, str) and source in BUILT_IN:
        return _cut_if(resize, BUILT_IN[source](seed, size))
    folder = _folder(source)
    if is_idx_folder(folder):
        return _cut_if(resize, load_idx_folder(folder, seed, size))
    if is_cifar_folder(folder):
        return _cut_if(resize, load_cifar_folder(folder, seed, size))
    return load_image_folder(folder, seed, size, resize, strict, channels)


def _cut_if(resize: str, data: Dataset) -> Dataset:
    """Arrays, with their proportions kept if so said."""
    if resize != "crop":
        return data
    train, validation, test = (part.cut() for part in (data.train, data.validation, data.test) if isinstance(part, ArraySplit))
    return dataclasses.replace(data, train=train, validation=validation, test=test)


def _folder(source: str | Path) -> Path:
    folder = Path(source).expanduser().absolute()
    if not folder.exists():
        raise FileNotFoundError(
            f"`source` must be one of {', '.join(BUILT_IN)}, or a folder that exists. Received: source={str(source)!r}"
        )
    if not folder.is_dir():
        raise ValueError(f"`source` must be a folder. Received: source={str(source)!r}, a file. Pass the folder that it is in.")
    return folder.resolve() if folder.name in ("", "..") else folder


def _size(image_size: int | tuple[int, int] | None) -> _Size:
    if image_size is None:
        return None
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if height < 1 or width < 1:
        raise ValueError(f"`image_size` must be positive. Received: image_size={image_size}")
    return height, width


def _fashion_mnist(seed: int, size: _Size) -> Dataset:
    return load_idx_folder(Path(__file__).parent / "fashion_mnist", seed, size, "fashion-mnist")


def _fashion_mnist_full(seed: int, size: _Size) -> Dataset:
    files = ", ".join(f"{name}.gz" for name in FILES)
    (x, y), (x_test, y_test) = _download(
        "fashion-mnist-full", keras.datasets.fashion_mnist.load_data, f"the four IDX files ({files})"
    )
    train, test = (x[..., None], y), (x_test[..., None], y_test)
    return from_arrays("fashion-mnist-full", FASHION_CLASSES, train, test, seed, size, "fashion-mnist")


def _cifar10(seed: int, size: _Size) -> Dataset:
    files = ", ".join((*TRAIN_FILES, TEST_FILE, "batches.meta.txt"))
    (x, y), (x_test, y_test) = _download(
        "cifar10", keras.datasets.cifar10.load_data, f"the binary version of CIFAR-10 ({files})"
    )
    train, test = (_channels_last(x), y.reshape(-1)), (_channels_last(x_test), y_test.reshape(-1))
    return from_arrays("cifar10", CIFAR10_CLASSES, train, test, seed, size, "cifar10")


def _channels_last(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    first = keras.config.image_data_format() == "channels_first"
    return np.moveaxis(images, 1, -1) if first else images


def _download(name: str, load_data: Callable[[], Any], files: str) -> Any:
    try:
        return load_data()
    except Exception as error:  # `keras.utils.get_file` raises plain `Exception`
        raise ConnectionError(
            f"Data set {name!r} could not be downloaded: {error}. "
            f"Without a network, pass as `source` (`--data`) a folder with {files}."
        ) from error


BUILT_IN = MappingProxyType({"fashion-mnist": _fashion_mnist, "fashion-mnist-full": _fashion_mnist_full, "cifar10": _cifar10})
