"""State dicts of PyTorch, read without PyTorch and without executing anything that a file says.

A `.pth` file is a pickle, and a pickle can call any function of Python. The reader here knows the few names that a file of
tensors needs, which it answers by itself, and refuses every other one.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
INNER_KEYS = ("state_dict", "model_state_dict", "model")
"""Where training scripts put the weights, beside an optimizer's state."""

StateDict = dict[str, np.ndarray]


def read_state_dict(path: str | Path, key: str | None = None) -> StateDict:
    """Arrays by name from a file of PyTorch's weights.

    Args:
        path: A `.safetensors` file, or what `torch.save` wrote: its zip format, or the one before PyTorch 1.6.
        key: Where in the file the weights are, if it holds more. `None`: at the top, or under `"state_dict"`,
            `"model_state_dict"` or `"model"`.

    Returns:
        Arrays as PyTorch has them, in its layout; bfloat16 becomes float32.

    Raises:
        ValueError: The file is damaged, holds no weights, or asks for anything but tensors, which is never executed.
        ImportError: A `.safetensors` file, and the package `safetensors` isn't installed.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        content = _zipped(path) if zipfile.is_zipfile(path) else _legacy(path)
        return _weights(content, key, path)
    except (pickle.UnpicklingError, EOFError, struct.error, IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"`path` must be a file of PyTorch's weights. Received: {path}, {type(error).__name__}: {error}"
        ) from error


def _safetensors(path: Path) -> StateDict:
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ImportError("Reading .safetensors files needs a package: `pip install 'atrous[safetensors]'`.") from error
    return {name: _float32(array) for name, array in load_file(path).items()}


def _float32(array: np.ndarray) -> np.ndarray:
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


class _Storage:
    """One-dimensional memory of a file; in the format before 1.6 it is read after everything else."""

    def __init__(self, kind: Any, length: Any) -> None:
        if not isinstance(kind, _Kind) or not isinstance(length, int) or length < 0:
            raise ValueError("`path` must be a file whose tensors are of known types and lengths.")
        self.is_bfloat16 = kind.dtype == "bfloat16"
        self.dtype = np.dtype("<u2" if self.is_bfloat16 else kind.dtype)
        self.length = length
        self.array = np.empty(0, self.dtype)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.length * self.dtype.itemsize

    def fill(self, data: bytes) -> None:
        """Takes what the file has."""
        if len(data) != self.size:
            raise ValueError(f"`path` must be a whole file; {len(data)} bytes are where {self.size} should be.")
        array = np.frombuffer(data, self.dtype)
        self.array = (array.astype("<u4") << 16).view("<f4") if self.is_bfloat16 else array


class _Kind(NamedTuple):
    dtype: str


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: Any
    offset: Any
    size: Any
    stride: Any

    def numpy(self) -> np.ndarray:
        """A copy of what the view sees, which must lie in the storage."""
        array, item = self.storage.array, self.storage.array.itemsize
        numbers = (self.offset, *self.size, *self.stride)
        if len(self.size) != len(self.stride) or not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise ValueError("`path` must be a file whose tensors have sizes and strides of 0 or more.")
        if math.prod(self.size) == 0:
            return np.empty(self.size, array.dtype)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        if last >= len(array):
            raise ValueError("`path` must be a file whose tensors lie in their storage.")
        strides = [item * step for step in self.stride]
        return np.lib.stride_tricks.as_strided(array[self.offset :], self.size, strides, writeable=False).copy()


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): _Kind(dtype) for name, dtype in STORAGES.items()},
}


class _Reader(pickle.Unpickler):
    """Knows tensors, and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for.

        Raises:
            ValueError: It isn't one that tensors need.
        """
        if (module, name) not in KNOWN:
            raise ValueError(
                f"`path` must be a file that holds tensors alone; this one asks for {module}.{name}, which was not executed. "
                "Save `model.state_dict()`, not the model, or use a .safetensors file."
            )
        return KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage: `("storage", type, key, device, length, …)`."""
        _, kind, key, _, length, *more = pid
        if more not in ([], [None]):
            raise ValueError("`path` must be a file whose storages are whole, not views of others.")
        if key not in self.storages:
            self.storages[str(key)] = _Storage(kind, length)
        return self.storages[str(key)]


def _zipped(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError(
                f"`path` must be a file that `torch.save` wrote. Received: {path}, a zip file without one data.pkl."
            )
        folder = names[0].removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError(f"`path` must be a little-endian file. Received: {path}.")
        reader = _Reader(io.BytesIO(archive.read(names[0])))
        content = reader.load()
        for key, storage in reader.storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return content


def _legacy(path: Path) -> Any:
    """The format before PyTorch 1.6: five pickles, then for each storage its length and its bytes."""
    with path.open("rb") as file:
        if _Reader(file).load() != LEGACY_MAGIC:
            raise ValueError(f"`path` must be a file that `torch.save` wrote. Received: {path}.")
        _Reader(file).load()
        if not _Reader(file).load().get("little_endian", True):
            raise ValueError(f"`path` must be a little-endian file. Received: {path}.")
        reader = _Reader(file)
        content = reader.load()
        for key in _Reader(file).load():
            storage = reader.storages[str(key)]
            if struct.unpack("<q", file.read(8))[0] != storage.length:
                raise ValueError(
                    f"`path` must be a whole file. Received: {path}, whose storages have other lengths than it says."
                )
            storage.fill(file.read(storage.size))
    return content


def _weights(content: Any, key: str | None, path: Path) -> StateDict:
    if not isinstance(content, Mapping):
        raise ValueError(f"`path` must hold a dictionary of tensors. Received: {path}, which holds a {type(content).__name__}.")
    inner = [key] if key is not None else [k for k in INNER_KEYS if isinstance(content.get(k), Mapping)][:1]
    for each in inner:
        if not isinstance(content.get(each), Mapping):
            raise ValueError(f"`key` must be one of {sorted(map(str, content))}. Received: key={key!r}.")
        content = content[each]
    weights = {str(name): value.numpy() for name, value in content.items() if isinstance(value, _Tensor)}
    if not weights:
        raise ValueError(
            f"`path` must hold tensors by name. Received: {path}, which has {sorted(map(str, content))}; say which with `key`."
        )
    return weights
