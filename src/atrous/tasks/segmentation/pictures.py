"""Masks and photographs as they stand on a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atrous.data.masks import VOID, Palette

_LARGEST_SIDE = 192  # pixels of an embedded picture


def painted(labels: NDArray[np.uint8], palette: Palette) -> NDArray[np.uint8]:
    """A mask in the colours of the page, (height, width, 3); void is light."""
    table = np.full((256, 3), 255, np.uint8)
    table[: len(palette)] = [_shown(color) for color in palette]
    table[VOID] = (225, 222, 215)
    return table[labels]


def _shown(color: Sequence[int]) -> tuple[int, int, int]:
    """A class's colour on the page: palettes made for contrast with black are dark, and black is a hole in a page."""
    red, green, blue = (int(n) for n in color)
    if max(color) == 0:
        return 58, 64, 72
    scale = max(1.0, 208 / max(color))
    return round(red * scale), round(green * scale), round(blue * scale)


def hex_of(color: Sequence[int]) -> str:
    """A class's colour on the page, for a stylesheet."""
    return "#{:02x}{:02x}{:02x}".format(*_shown(color))


def uri(pixels: NDArray[np.uint8], jpeg: bool = False) -> str:
    """A picture (height, width, 3) in a data URI, made smaller if it is large: a photograph as JPEG, a mask as PNG."""
    image = Image.fromarray(pixels)
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.BILINEAR if jpeg else Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    if jpeg:
        image.save(buffer, format="JPEG", quality=85)
    else:
        image.convert("P", palette=Image.Palette.ADAPTIVE).save(buffer, format="PNG", optimize=True)
    return f"data:image/{'jpeg' if jpeg else 'png'};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
