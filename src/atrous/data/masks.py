"""Masks: images whose pixels are classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atrous.data.images import unreadable

VOID = 255
"""The label of pixels that belong to no class: they count neither in the loss nor in a metric."""

_VOID_COLOR = (224, 224, 192)  # of Pascal VOC

Palette = tuple[tuple[int, int, int], ...]
"""Red, green, blue, 0..255, of each class."""


def voc_palette(count: int = 256) -> Palette:
    """The colours of Pascal VOC's development kit: the bits of a label, three by three, as high bits of red, green and blue."""
    colors = np.zeros((count, 3), int)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (np.arange(count) >> (3 * bit + channel) & 1) << (7 - bit)
    return tuple((int(red), int(green), int(blue)) for red, green, blue in colors)


def read_mask(path: Path, palette: Palette) -> NDArray[np.uint8]:
    """Reads a mask: labels as they are in a palette or gray image, or the palette's colours in an RGB image.

    Args:
        path: a PNG, BMP or GIF file.
        palette: colours of the classes 0, 1, …; in an RGB image, `(224, 224, 192)` is void, too, if it is no class's.

    Returns:
        (height, width) uint8: labels, 255 is void.

    Raises:
        ValueError: if the file is no image, is a JPEG, has labels above 255 or a colour that is no class's.
    """
    try:
        with Image.open(path) as image:
            lossy, mode = image.format == "JPEG", image.mode
            colored = mode in ("RGB", "RGBA")
            pixels = np.asarray(image.convert("RGB") if colored else image)
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever the damage leads to
        raise unreadable(path, error) from error
    if lossy:
        raise MaskError(f"{str(path)!r} must be a PNG: JPEG changes labels. Received: a JPEG file.")
    if colored:
        return _classes_of(pixels, palette, path)
    if mode == "1":
        return pixels.astype(np.uint8)
    if pixels.ndim != 2 or pixels.max(initial=0) > VOID:
        raise MaskError(
            f"{str(path)!r} must have one label a pixel, 0 to 255. Received: a file of mode {mode}, "
            f"with values up to {pixels.max()}."
        )
    return pixels.astype(np.uint8)


class MaskError(ValueError):
    """A mask can be read, but doesn't say what a mask says: nothing that may be skipped."""


def palette_of(path: Path) -> Palette | None:
    """The colours in a palette image, one a class; `None` of any other file."""
    try:
        with Image.open(path) as image:
            found = image.getpalette() if image.mode == "P" else None
    except OSError:
        return None
    if not found:
        return None
    return tuple((found[i], found[i + 1], found[i + 2]) for i in range(0, len(found) - 2, 3))


def to_palette_image(mask: NDArray[np.uint8], palette: Sequence[Sequence[int]]) -> Image.Image:
    """A palette image of a mask, as `read_mask` takes it."""
    image = Image.fromarray(mask)
    colors = [channel for color in palette[:VOID] for channel in color]
    image.putpalette([*colors, *[0] * (3 * VOID - len(colors)), *_VOID_COLOR])
    return image


def _classes_of(pixels: NDArray[np.uint8], palette: Palette, path: Path) -> NDArray[np.uint8]:
    codes = pixels.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    table = {_code(_VOID_COLOR): VOID}
    for label, color in reversed(list(enumerate(palette[:VOID]))):  # the first of equal colours
        table[_code(color)] = label
    found, places = np.unique(codes, return_inverse=True)
    unknown = [int(code) for code in found if int(code) not in table]
    if unknown:
        named = ", ".join(str((code >> 16, code >> 8 & 255, code & 255)) for code in unknown[:3])
        raise MaskError(
            f"{str(path)!r} must be a palette or gray image of labels, or RGB with exactly the colours of the palette. "
            f"Received: an RGB image with {len(unknown)} other colour(s), such as {named}."
        )
    return np.array([table[int(code)] for code in found], np.uint8)[places].reshape(codes.shape)


def _code(color: Sequence[int]) -> int:
    red, green, blue = color
    return red << 16 | green << 8 | blue
