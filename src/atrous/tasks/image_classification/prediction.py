"""Classes of image files, and a table of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data import read_image
from atrous.data.files import image_files
from atrous.run import Config, replacing
from atrous.spec import parse_integer
from atrous.tasks.image_classification.recipe import ImageClassification


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Args:
        file: The image.
        class_name: The most probable class; `None` if the image could not be read.
        probability: Of that class, 0..1.
        error: Why the image could not be read.
        top: The most probable classes, each with its probability, if they were asked for.
    """

    file: str
    class_name: str | None = None
    probability: float | None = None
    error: str | None = None
    top: tuple[tuple[str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """File, class, probability and, if asked for, `top`; or why there is none."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        top = [{"class": name, "probability": probability} for name, probability in self.top]
        return {"file": self.file, "class": self.class_name, "probability": self.probability, **({"top": top} if top else {})}


def predict_files(
    model: keras.Model, config: Config, files: Iterable[Path], output: Path | None = None, top: int | None = None
) -> list[Prediction]:
    """Classifies files and the images in folders, in order; each is brought to the run's form as its data were.

    Args:
        model: Of the run.
        config: Of the run: size, channels, how images are resized.
        files: Files and folders.
        output: A folder that `predictions.csv` is written to, or such a file.
        top: How many of the most probable classes are told; `None`: the first alone.

    Raises:
        FileNotFoundError: There is no image in a folder.
        ValueError: `top` is no positive integer.
        OSError: Nothing can be written there.
    """
    most = 0 if top is None else parse_integer("top", top)
    every, size = image_files(files), config.recipe.batch_size
    predictions: list[Prediction] = []
    for start in range(0, len(every), size):
        predictions += _batch(model, config, every[start : start + size], most)
    if output is not None:
        _write(predictions, max(1, most), output if output.suffix == ".csv" else output / "predictions.csv")
    return predictions


def probabilities(model: keras.Model, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Class probabilities, (n, classes), of a batch of n images, each (height, width, channels), 0..255."""
    return np.asarray(model.predict_on_batch(np.stack(images).astype(np.float32)), np.float32)


def _batch(model: keras.Model, config: Config, files: list[Path], most: int) -> list[Prediction]:
    resize = cast(ImageClassification, config.recipe).resize
    read: dict[Path, Any] = {}
    errors: dict[Path, str] = {}
    for file in files:
        try:
            read[file] = read_image(file, config.image_shape, resize)
        except ValueError as error:
            errors[file] = str(error)
        except OSError as error:
            errors[file] = f"`images` must be files that can be read. Received: {str(file)!r}: {error.strerror or error}."
    rows = dict(zip(read, probabilities(model, list(read.values())), strict=True)) if read else {}
    return [
        Prediction(str(file), error=errors[file]) if file in errors else _said(file, rows[file], config.class_names, most)
        for file in files
    ]


def _said(file: Path, row: NDArray[np.float32], class_names: Sequence[str], most: int) -> Prediction:
    order = np.argsort(-row, kind="stable")
    ranked = tuple((class_names[i], float(row[i])) for i in order[: max(1, most)])
    return Prediction(str(file), *ranked[0], top=ranked if most else ())


def _write(predictions: Sequence[Prediction], columns: int, file: Path) -> None:
    """A row a file: its classes from the most probable on, or why there are none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbered = [f"{name}{'' if i == 1 else f'_{i}'}" for i in range(1, columns + 1) for name in ("class", "probability")]
    writer.writerow(["file", *numbered, "error"])
    for each in predictions:
        ranked = each.top or (((each.class_name, each.probability),) if each.error is None else ())
        found = [cell for pair in ranked for cell in pair]
        writer.writerow([each.file, *found, *[""] * (2 * columns - len(found)), each.error or ""])
    with replacing(file) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
