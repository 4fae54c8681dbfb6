"""Classes of image files, and a table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data import read_image
from atrous.data.files import image_files
from atrous.run import Config
from atrous.spec import parse_integer
from atrous.tasks.classes import ClassPrediction, predicted, write_predictions
from atrous.tasks.image_classification.recipe import ImageClassification


def predict_files(
    model: keras.Model, config: Config, files: Iterable[Path], output: Path | None = None, top: int | None = None
) -> list[ClassPrediction]:
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
    predictions: list[ClassPrediction] = []
    for start in range(0, len(every), size):
        predictions += _batch(model, config, every[start : start + size], most)
    if output is not None:
        write_predictions(predictions, output, most)
    return predictions


def probabilities(model: keras.Model, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Class probabilities, (n, classes), of a batch of n images, each (height, width, channels), 0..255."""
    return np.asarray(model.predict_on_batch(np.stack(images).astype(np.float32)), np.float32)


def _batch(model: keras.Model, config: Config, files: list[Path], most: int) -> list[ClassPrediction]:
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
        ClassPrediction(str(file), error=errors[file])
        if file in errors
        else predicted(str(file), rows[file], config.class_names, most)
        for file in files
    ]
