"""Boxes on photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from atrous.models.fcos import Detections

COLORS = (
    *((255, 176, 0), (90, 200, 250), (255, 99, 146), (120, 220, 120), (190, 140, 255), (255, 128, 70)),
    *((80, 220, 200), (235, 220, 90)),
)
"""Of classes, one after another; light enough to be seen on photographs."""

_FONT = 1 / 40  # of the shorter side
_LEAST_FONT = 11


def color_of(label: int) -> tuple[int, int, int]:
    """Of a class."""
    return COLORS[label % len(COLORS)]


def hex_of(color: Sequence[int]) -> str:
    """For a stylesheet."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def drawn(image: NDArray[np.uint8], found: Detections, class_names: Sequence[str]) -> NDArray[np.uint8]:
    """The image with a frame around each object, its class and score above; the best ones on top.

    Args:
        image: (height, width, 3), 0..255.
        found: What is in it.
        class_names: Label → name; of a single class only the scores are written.
    """
    picture = Image.fromarray(image).convert("RGB")
    pen = ImageDraw.Draw(picture)
    size = max(_LEAST_FONT, round(_FONT * min(picture.size)))
    font, line = ImageFont.load_default(size), max(1, size // 8)
    for box, score, label in reversed(list(zip(*found, strict=True))):
        color = color_of(int(label))
        sides = tuple(round(float(side)) for side in box)
        frame(pen, sides, color, line)
        text = f"{class_names[int(label)]} {score:.2f}" if len(class_names) > 1 else f"{score:.2f}"
        _write(pen, picture.size, sides, text, color, font)
    return np.asarray(picture)


def frame(pen: ImageDraw.ImageDraw, sides: Sequence[int], color: tuple[int, int, int], line: int) -> None:
    """A frame with a dark rim, so that it is seen on any ground."""
    left, top, right, bottom = sides[0], sides[1], max(sides[0], sides[2] - 1), max(sides[1], sides[3] - 1)
    pen.rectangle((left, top, right, bottom), outline=(0, 0, 0), width=line + 1)
    pen.rectangle((left, top, right, bottom), outline=color, width=line)


def _write(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], sides: Sequence[int], text: str, color: tuple[int, int, int], font: object
) -> None:
    """Above the box, or inside where the image ends; never beyond its right edge."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)  # type: ignore[arg-type]
    width, height = int(right - left) + 4, int(bottom - top) + 4
    x = max(0, min(sides[0], size[0] - width))
    y = sides[1] - height if sides[1] >= height else sides[1]
    pen.rectangle((x, y, x + width, y + height), fill=color)
    pen.text((x + 2 - left, y + 2 - top), text, fill=(0, 0, 0), font=font)  # type: ignore[arg-type]
