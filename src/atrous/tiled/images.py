"""Images of any size in and out: `.npy` files part by part; PNG, JPEG and TIFF by Pillow or, if they are large, libvips."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atrous.run import replacing

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
WRITTEN = {".png": ("uint8", "uint16"), ".tif": ("uint8", "uint16", "float32"), ".tiff": ("uint8", "uint16", "float32")}
"""Types of pixels that each format holds here."""

SHARE = 4
"""A picture that takes more than this part of the memory is decoded by libvips, line after line, into a file."""

INSTALL = "Install libvips with `pip install 'atrous[large-images]'`, give more `memory`, or make it an .npy file."


@contextlib.contextmanager
def opened(image: Any, channels: int | None, memory: int) -> Iterator[Any]:
    """An image as an array, or as something that slices like one.

    Args:
        image: A path, or an array, which is given back as it is.
        channels: That a picture is brought to, 1 or 3; others are left as they are.
        memory: Bytes: a picture that takes more than a quarter of them decoded is put into a temporary file.
    """
    if not isinstance(image, (str, os.PathLike)):
        yield image
        return
    path = Path(image)
    if path.suffix.lower() == ".npy":
        yield np.load(path, mmap_mode="r")
        return
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f"`image` must be an array or a file: .npy, {', '.join(PICTURES)}. Received: image={str(path)!r}.")
    with _any_size(), Image.open(path, formats=[PICTURES[path.suffix.lower()]]) as picture:
        width, height = picture.size
        size = width * height * (channels or len(picture.getbands())) * (2 if picture.mode.startswith("I") else 1)
        if size * SHARE <= memory:
            yield _decoded(picture, channels)
            return
    vips = _vips(f"{str(path)!r} takes {size / 1e6:,.0f} MB decoded, and `memory` is {memory / 1e6:,.0f} MB", path)
    with tempfile.TemporaryDirectory(prefix="atrous-") as folder:
        yield _spooled(vips.Image.new_from_file(str(path), access="sequential"), channels, Path(folder) / "pixels.npy")


def _decoded(picture: Image.Image, channels: int | None) -> np.ndarray:
    if channels in (1, 3) and not (channels == 1 and picture.mode.startswith("I")):
        picture = picture.convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _spooled(picture: Any, channels: int | None, path: Path) -> np.ndarray:
    """Decodes line after line into a file."""
    if channels in (1, 3):
        picture = picture.flatten(background=255) if picture.hasalpha() else picture
        picture = picture.colourspace("b-w" if channels == 1 else "srgb") if picture.bands != channels else picture
    kinds = {"uchar": "uint8", "ushort": "uint16", "float": "float32"}
    whole = np.lib.format.open_memmap(path, "w+", kinds[picture.format], (picture.height, picture.width, picture.bands))
    lines = max(1, 2**24 // (picture.width * picture.bands))
    for top in range(0, picture.height, lines):
        some = picture.crop(0, top, picture.width, min(lines, picture.height - top)).numpy()
        whole[top : top + len(some)] = some.reshape(-1, picture.width, picture.bands)
        drop_pages(whole)
    return whole


def drop_pages(array: Any) -> None:
    """Lets the pages of a mapped file go: they are read, or written, and stay in the file."""
    mapped = array
    while isinstance(getattr(mapped, "base", None), np.ndarray):
        mapped = mapped.base
    pages = getattr(mapped, "base", None)
    if isinstance(mapped, np.memmap) and mapped.mode != "c" and isinstance(pages, mmap.mmap):
        if mapped.mode != "r":
            pages.flush()
        if hasattr(pages, "madvise"):
            pages.madvise(mmap.MADV_DONTNEED)


class NpyFile:
    """An `.npy` file that is written part by part: without mapping it, so that a full disk is an error and no signal.

    Args:
        path: Of the file; what is there stays, until `begin`.
        shape: Of the array.
        dtype: Of the array.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self.file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)  # noqa: SIM115 (closed by `close`)
        self.size = int(np.prod(shape)) * dtype.itemsize
        self._begin = 0

    def begin(self, goes_on: bool) -> None:
        """Writes the header, or goes on behind that which is there."""
        if goes_on:
            np.lib.format.read_magic(self.file)
            np.lib.format.read_array_header_2_0(self.file)
        else:
            self.file.truncate(0)
            header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_2_0(self.file, header)
        self._begin = self.file.tell()

    def reserve(self) -> None:
        """Takes the room on the disk, so that what lacks is known before anything is computed."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self.file.fileno(), 0, self._begin + self.size)

    def __setitem__(self, where: tuple[slice, ...], values: np.ndarray) -> None:
        values = np.ascontiguousarray(values, self.dtype)
        if not self.shape:
            self._put(0, values)
            return
        strides = np.cumprod((1, *self.shape[:0:-1]))[::-1]
        starts = [s.indices(n)[0] for s, n in zip(where, self.shape, strict=True)]
        whole = len(self.shape)  # dims from here on lie together
        while whole > 1 and values.shape[whole - 1] == self.shape[whole - 1]:
            whole -= 1
        for index in np.ndindex(values.shape[: whole - 1]):
            place = sum(
                (a + b) * s for a, b, s in zip(starts, (*index, *(0,) * (len(starts) - len(index))), strides, strict=True)
            )
            self._put(int(place) * self.dtype.itemsize, values[index])

    def _put(self, place: int, values: np.ndarray) -> None:
        rest, place = memoryview(np.ascontiguousarray(values).tobytes()), place + self._begin
        while rest:
            self.file.seek(place)
            done = self.file.write(rest)
            rest, place = rest[done:], place + done

    def sync(self) -> None:
        """Waits until all is on the disk."""
        os.fsync(self.file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


def check_written(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], memory: int) -> None:
    """Whether a file format holds such an array, and how it would be written is there.

    Raises:
        ValueError: It doesn't.
        ImportError: libvips isn't installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return
    if suffix not in WRITTEN:
        raise ValueError(f"`out` must be an array or a file: .npy, {', '.join(WRITTEN)}. Received: out={str(path)!r}.")
    pictured = len(shape) == 2 or (len(shape) == 3 and shape[-1] in (1, 3))
    if not pictured or dtype.name not in WRITTEN[suffix] or (len(shape) == 3 and shape[-1] == 3 and dtype.name != "uint8"):
        raise ValueError(
            f"`out` must be an .npy file for {dtype.name} values of shape {shape}: {suffix} holds height × width of "
            f"{', '.join(WRITTEN[suffix])}, or three channels of uint8. Received: out={str(path)!r}."
        )
    if _size(shape, dtype) * SHARE > memory:
        _vips(f"{str(path)!r} holds {_size(shape, dtype) / 1e6:,.0f} MB, and `memory` is {memory / 1e6:,.0f} MB", path)


def write_picture(source: Path, path: Path, memory: int, palette: Sequence[Sequence[int]] = ()) -> None:
    """Makes a PNG or TIFF file of an `.npy` file; of labels with a palette a palette PNG, if it isn't too large for Pillow."""
    whole = np.load(source, mmap_mode="r")
    pixels = whole[..., 0] if whole.ndim == 3 and whole.shape[-1] == 1 else whole
    with replacing(path) as temporary:
        if _size(whole.shape, whole.dtype) * SHARE <= memory:
            picture = Image.fromarray(np.asarray(pixels))
            if palette and picture.mode == "L" and path.suffix.lower() == ".png":
                picture.putpalette([channel for color in palette for channel in color])
            picture.save(temporary, format=PICTURES[path.suffix.lower()])
            return
        kinds = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}
        bands = 1 if pixels.ndim == 2 else pixels.shape[2]
        kind = {"format": kinds[whole.dtype.name], "interpretation": "srgb" if bands == 3 else "b-w"}
        height, width = pixels.shape[:2]
        picture = _vips("", path).Image.rawload(str(source), width, height, bands, offset=whole.offset, **kind)
        if path.suffix.lower() == ".png":
            picture.pngsave(str(temporary))
        else:
            picture.tiffsave(str(temporary), compression="deflate", tile=True, bigtiff=True)


def _size(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return int(np.prod(shape)) * dtype.itemsize


@contextlib.contextmanager
def _any_size() -> Iterator[None]:
    """Pillow's guard against large pictures is off: here their size is checked."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _vips(why: str, path: Path) -> Any:
    try:
        import pyvips  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(f"{why}: too much for Pillow, which holds all of a picture. {INSTALL}") from error
    return pyvips
