"""Masks of image files, and files of these masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atrous.data.files import image_files
from atrous.data.images import read_pixels
from atrous.data.masks import to_palette_image
from atrous.run import replacing
from atrous.spec import parse_integer
from atrous.tasks.segmentation.evaluation import Segmenter

_FAR_LARGER = 4  # times the size of training images


@dataclass(frozen=True)
class MaskPrediction:
    """What a network says of an image.

    Args:
        file: The image.
        labels: (height, width) uint8, the class of each pixel; `None` where masks are written, or the image could not be read.
        mask: The palette PNG of it, if an output folder was given.
        overlay: The image with the mask over it, a JPEG, likewise.
        classes: Share of each class that is there, the largest first.
        error: Why the image could not be read.
        note: What the user should know of it.
    """

    file: str
    labels: NDArray[np.uint8] | None = None
    mask: str | None = None
    overlay: str | None = None
    classes: dict[str, float] | None = None
    error: str | None = None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """File, what was written, and the shares of classes; or why there is nothing."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        written = {"mask": self.mask, "overlay": self.overlay} if self.mask else {}
        return {"file": self.file, **written, "classes": self.classes}


def predict(
    segmenter: Segmenter,
    given: Iterable[Path],
    output: Path | None,
    class_names: Sequence[str],
    palette: Sequence[Sequence[int]],
    trained_on: Sequence[int],
    longest: int | None = None,
    **tiles: Any,
) -> list[MaskPrediction]:
    """Predicts files and the images in folders, in order; into `output/masks` and `output/overlays`, if there is an output.

    Args:
        segmenter: The network.
        given: Files and folders.
        output: Where files are written.
        class_names: Label → name.
        palette: Red, green, blue of each class.
        trained_on: Height and width of the training images.
        longest: Pixels that the longer side of an image is shrunk to before; its mask has the image's own size.
        **tiles: As for `Segmenter.labels`.

    Raises:
        ValueError: `longest` isn't a positive integer.
        FileNotFoundError: There is no image in a folder.
        OSError: Nothing can be written there.
    """
    longest = None if longest is None else parse_integer("longest", longest)
    predictions: list[MaskPrediction] = []
    taken: set[str] = set()
    for root in given:
        for file in image_files([root]):
            name = (file.relative_to(root) if root.is_dir() else Path(file.name)).with_suffix("").as_posix()
            number = 1
            while (unique := name if number == 1 else f"{name}-{number}") in taken:
                number += 1
            taken.add(unique)
            try:
                image = read_pixels(file, 3)
            except ValueError as error:
                predictions.append(MaskPrediction(str(file), error=str(error)))
                continue
            except OSError as error:
                why = f"`files` must be files that can be read. Received: {str(file)!r}: {error.strerror or error}."
                predictions.append(MaskPrediction(str(file), error=why))
                continue
            labels = _labels(segmenter, image, longest, tiles)
            shares, note = _shares(labels, class_names), None if longest else _too_large(image, trained_on)
            if output is None:
                predictions.append(MaskPrediction(str(file), labels=labels, classes=shares, note=note))
            else:
                mask, over = output / "masks" / f"{unique}.png", output / "overlays" / f"{unique}.jpg"
                _write(to_palette_image(labels, palette), mask)
                _write(Image.fromarray(overlay(image, labels, palette)), over)
                predictions.append(MaskPrediction(str(file), mask=str(mask), overlay=str(over), classes=shares, note=note))
    return predictions


def _labels(segmenter: Segmenter, image: NDArray[np.uint8], longest: int | None, tiles: dict[str, Any]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if longest is None or max(height, width) <= longest:
        return segmenter.labels(image, **tiles)
    shrunk = [max(1, round(longest * n / max(height, width))) for n in (width, height)]
    small = np.asarray(Image.fromarray(image).resize((shrunk[0], shrunk[1]), Image.Resampling.BILINEAR))
    labels = segmenter.labels(small, **tiles)
    return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))


def _too_large(image: NDArray[np.uint8], trained_on: Sequence[int]) -> str | None:
    times = max(image.shape[:2]) / max(trained_on)
    if times < _FAR_LARGER:
        return None
    return (
        f"An image is {times:.0f} times as large as those for training: if things in it are, too, they are not recognised. "
        f"With longest={max(trained_on)} (--longest {max(trained_on)}) it is shrunk first."
    )


def overlay(image: NDArray[np.uint8], labels: NDArray[np.uint8], palette: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """The image, with half of each class's colour and a light line around it; class 0 and void stay as they are.

    Args:
        image: (height, width, 3), 0..255.
        labels: (height, width).
        palette: Red, green, blue of each class.
    """
    colors = np.zeros((256, 3), np.float32)
    colors[: len(palette)] = palette
    covered = (labels > 0) & (labels < len(palette))
    mixed = np.where(covered[..., None], 0.5 * image + 0.5 * _lightened(colors)[labels], image)
    mixed[edges(labels) & covered] = 255
    return mixed.astype(np.uint8)


def edges(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels whose neighbour to the right, left, above or below has another label."""
    found = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        differs = np.diff(labels.astype(np.int16), axis=axis) != 0
        front, behind = [slice(None)] * 2, [slice(None)] * 2
        front[axis], behind[axis] = slice(None, -1), slice(1, None)
        found[tuple(front)] |= differs
        found[tuple(behind)] |= differs
    return found


def _lightened(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The palette's dark colours, bright enough to be seen over a photograph."""
    return np.asarray(colors * (255 / np.maximum(colors.max(axis=-1, keepdims=True), 1)), np.float32)


def _shares(labels: NDArray[np.uint8], class_names: Sequence[str]) -> dict[str, float]:
    counts = np.bincount(labels.ravel(), minlength=len(class_names))[: len(class_names)]
    order = np.argsort(-counts, kind="stable")
    return {class_names[i]: float(counts[i] / labels.size) for i in order if counts[i]}


def _write(image: Image.Image, file: Path) -> None:
    with replacing(file) as temporary:
        image.save(temporary, format="PNG" if file.suffix == ".png" else "JPEG", quality=90)
