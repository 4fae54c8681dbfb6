"""Boxes on photographs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from atrous.data.boxes import Objects
from atrous.models.fcos import Detections
from atrous.tasks.detection.mistakes import Verdict

COLORS = (
    *((255, 176, 0), (90, 200, 250), (255, 99, 146), (120, 220, 120), (190, 140, 255), (255, 128, 70)),
    *((80, 220, 200), (235, 220, 90)),
)
"""Of classes, one after another; light enough to be seen on photographs."""

MISSED, INVENTED = (0, 105, 190), (205, 30, 50)
"""Of mistakes."""

SIDE = 300  # pixels of a picture on a page
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
    font, line = ImageFont.load_default(size), max(2, size // 8)
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


def legend(class_names: Sequence[str]) -> list[dict[str, str]]:
    """Names and colours, for a page."""
    return [{"name": name, "color": hex_of(color_of(label))} for label, name in enumerate(class_names)]


def pictures(
    image: NDArray[np.uint8], truth: Objects, said: Detections, verdict: Verdict, class_names: Sequence[str]
) -> dict[str, str]:
    """Three pictures of a test image, as data URIs: `truth`; `said`; and `mistakes`, what is missed and what is invented."""
    ground, ratio = on_page(image)
    true = as_said(truth)
    gray = (0.5 * ground.mean(axis=-1, keepdims=True) + 0.5 * 255).repeat(3, axis=-1).astype(np.uint8)
    wrong = Image.fromarray(gray)
    pen = ImageDraw.Draw(wrong)
    for boxes, whys, color in ((truth.boxes, verdict.missed, MISSED), (said.boxes, verdict.invented, INVENTED)):
        for box, why in zip(boxes, whys, strict=True):
            if why:
                left, top, right, bottom = (round(float(ratio * side)) for side in box)
                pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=color, width=2)
    return {
        "truth": uri(framed(ground, true, ratio, [""] * len(true.scores))),
        "said": uri(framed(ground, said, ratio, [f"{score:.2f}" for score in said.scores])),
        "mistakes": uri(np.asarray(wrong)),
    }


def counted(objects: Objects) -> str:
    """How many there are."""
    count = int((~objects.ignored).sum())
    return "1 object" if count == 1 else f"{count:,} objects"


def as_said(objects: Objects) -> Detections:
    """Objects as a network would say them that is certain."""
    return Detections(objects.boxes, np.ones(len(objects.labels), np.float32), objects.labels)


def on_page(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The image as large as it is shown on a page, and how many of its pixels one of the image's is."""
    ratio = SIDE / max(image.shape[:2])
    size = (max(1, round(ratio * image.shape[1])), max(1, round(ratio * image.shape[0])))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)), ratio


def framed(ground: NDArray[np.uint8], found: Detections, ratio: float, texts: Sequence[str]) -> NDArray[np.uint8]:
    """Frames in the colours of their classes, each with a word, on an image that is `ratio` times as large."""
    picture = Image.fromarray(ground)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(10)
    for box, label, text in reversed(list(zip(found.boxes, found.classes, texts, strict=True))):
        sides = [round(float(ratio * side)) for side in box]
        frame(pen, sides, color_of(int(label)), 2)
        if text:
            _write(pen, picture.size, sides, text, color_of(int(label)), font)
    return np.asarray(picture)


def uri(pixels: NDArray[np.uint8]) -> str:
    """A JPEG in a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
