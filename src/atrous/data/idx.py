"""The IDX format of MNIST and its successors: big-endian header, then unsigned bytes, usually gzipped.

Header: two zero bytes, a type byte (8: unsigned byte), the number of dimensions, then each dimension as uint32.
http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atrous.data.dataset import Dataset, from_arrays

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_UNSIGNED_BYTE = 8


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Reads an IDX file of unsigned bytes.

    Args:
        path: the file; gzipped if its name ends in .gz.

    Returns:
        A uint8 array of the shape that the header gives.

    Raises:
        ValueError: if the file is foreign, truncated or longer than its header says.
    """
    content = _content(path)
    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTE]):
        raise ValueError(
            f"{str(path)!r} is not an IDX file of unsigned bytes: it must start with 00 00 08. "
            f"Received: {content[:4].hex(' ') or 'an empty file'}."
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{str(path)!r} is truncated: its header must have {start} bytes. Received: {len(content)}.")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    promised, found = math.prod(shape), len(content) - start
    if promised != found:
        what = "truncated" if found < promised else "longer than its header says"
        raise ValueError(f"{str(path)!r} is {what}: header promises {_words(shape)} ({promised} bytes), found {found}.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Writes unsigned bytes as an IDX file; the same array gives the same bytes.

    Args:
        path: the file; gzipped if its name ends in .gz.
        array: uint8, at most 255 dimensions.
    """
    content = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content, 9, mtime=0) if path.suffix == ".gz" else content)


def is_idx_folder(folder: Path) -> bool:
    """Whether a folder has any of the four files of the MNIST family."""
    return any(_find(folder, name) for name in FILES)


def load_idx_folder(folder: Path, seed: int, image_size: tuple[int, int] | None = None, name: str | None = None) -> Dataset:
    """Loads the four files of the MNIST family.

    IDX has no place for class names. They are the lines of `labels.txt` in the folder if there is one, those of
    Fashion-MNIST if the folder's name has "fashion" in it, and "0", "1", … otherwise.

    Args:
        folder: holds `train-images-idx3-ubyte` and so on, gzipped (.gz) or not.
        seed: chooses the validation part, a tenth of train.
        image_size: height and width to resize to, or `None`.
        name: name of the data set; the folder's name by default.

    Raises:
        FileNotFoundError: if one of the four files is missing.
        ValueError: if a file is damaged, or images, labels and class names do not fit together.
    """
    train, test = (_images_and_labels(folder, part) for part in ("train", "t10k"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"The images of {str(folder)!r} must have one size. "
            f"Received: train {_words(train[0].shape)}, test {_words(test[0].shape)}."
        )
    classes = 1 + int(max(train[1].max(), test[1].max()))
    class_names = _class_names(folder, classes)
    if len(class_names) < classes:
        raise ValueError(
            f"{str(folder / 'labels.txt')!r} must name {classes} classes, one a line. Received: {len(class_names)}."
        )
    kind = "fashion-mnist" if class_names == FASHION_CLASSES else "images"
    return from_arrays(name or folder.name, class_names, train, test, seed, image_size, kind)


def _images_and_labels(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    image_path, label_path = (_existing(folder, name) for name in FILES if name.startswith(part))
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or not images.size:
        raise ValueError(
            f"{str(image_path)!r} must hold images and {label_path.name!r} one label for each. "
            f"Received: images of shape {images.shape}, labels of shape {labels.shape}."
        )
    return images[..., None], labels


def _class_names(folder: Path, classes: int) -> tuple[str, ...]:
    labels = folder / "labels.txt"
    if labels.is_file():
        return tuple(line.strip() for line in labels.read_text(encoding="utf-8").splitlines() if line.strip())
    if "fashion" in folder.name.lower() and classes <= len(FASHION_CLASSES):
        return FASHION_CLASSES
    return tuple(str(label) for label in range(classes))


def _find(folder: Path, name: str) -> Path | None:
    # Some mirrors write `train-images.idx3-ubyte`.
    names = (name, name.replace("-idx", ".idx"))
    return next((path for n in names for path in (folder / n, folder / f"{n}.gz") if path.is_file()), None)


def _existing(folder: Path, name: str) -> Path:
    path = _find(folder, name)
    if path is None:
        raise FileNotFoundError(
            f"{str(folder)!r} must hold the four files {', '.join(FILES)} (.gz or not). Received: no {name}."
        )
    return path


def _content(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            return file.read()
    except EOFError as error:
        raise ValueError(f"{str(path)!r} is truncated: its gzip stream has no end. Copy it again.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{str(path)!r} is not a whole gzip file: {error}. Copy it again.") from error


def _words(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]} labels"
    return f"{shape[0]} images of {'x'.join(map(str, shape[1:3]))}" if len(shape) > 1 else "one number"
