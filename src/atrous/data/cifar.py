"""CIFAR-10 in its binary version: records of one label byte and 3072 pixel bytes, red plane first.

https://www.cs.toronto.edu/~kriz/cifar.html
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atrous.data.dataset import Dataset, from_arrays

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
_IMAGE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32


def is_cifar_folder(folder: Path) -> bool:
    """Whether a folder has a file of CIFAR-10, binary or (to say so when it is loaded) pickled."""
    return any((folder / name).is_file() for file in (*TRAIN_FILES, TEST_FILE) for name in (file, file[:-4]))


def load_cifar_folder(folder: Path, seed: int, image_size: tuple[int, int] | None = None) -> Dataset:
    """Loads the published binary version of CIFAR-10.

    Args:
        folder: holds `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`; class names come from
            `batches.meta.txt` if it is there. A file may hold any number of records.
        seed: chooses the validation part, a tenth of train.
        image_size: height and width to resize to, or `None`.

    Raises:
        FileNotFoundError: if one of the six files is missing.
        ValueError: if a file is truncated or foreign.
    """
    parts = [_read(folder, name) for name in TRAIN_FILES]
    train = np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])
    return from_arrays(folder.name, _class_names(folder), train, _read(folder, TEST_FILE), seed, image_size, "cifar10")


def _read(folder: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} must hold the binary version of CIFAR-10: {', '.join(TRAIN_FILES)}, {TEST_FILE} "
            f"(the Python version, without .bin, is pickled and is not read). Received: no {name}."
        )
    content = np.fromfile(path, np.uint8)
    if not content.size or content.size % _RECORD:
        raise ValueError(
            f"{str(path)!r} is truncated or not a CIFAR-10 binary file: its size must be a multiple of {_RECORD} bytes "
            f"(1 label + 3x32x32 pixels). Received: {content.size} bytes."
        )
    records = content.reshape(-1, _RECORD)
    labels = records[:, 0]
    if labels.max() >= len(CIFAR10_CLASSES):
        row = int(np.argmax(labels >= len(CIFAR10_CLASSES)))
        raise ValueError(
            f"{str(path)!r} is not a CIFAR-10 binary file: labels must be 0..{len(CIFAR10_CLASSES) - 1}. "
            f"Received: label {labels[row]} in record {row}."
        )
    images = records[:, 1:].reshape(-1, *_IMAGE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels


def _class_names(folder: Path) -> tuple[str, ...]:
    path = folder / "batches.meta.txt"
    names = tuple(path.read_text(encoding="utf-8").split()) if path.is_file() else CIFAR10_CLASSES
    if len(names) != len(CIFAR10_CLASSES):
        raise ValueError(f"{str(path)!r} must name {len(CIFAR10_CLASSES)} classes, one a line. Received: {len(names)}.")
    return names
