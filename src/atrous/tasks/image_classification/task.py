"""Image classification: the dilated classifier on images of one size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous import data as sources
from atrous.data import Batches, Dataset, Split
from atrous.data.files import image_files
from atrous.models import DilatedClassifier
from atrous.run import Config, Run
from atrous.tasks.image_classification.recipe import ImageClassification
from atrous.tasks.recipe import Recipe
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents

_AUGMENTATIONS = {
    "flip": lambda: keras.layers.RandomFlip("horizontal", name="flip", dtype="float32"),
    "shift": lambda: keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", name="shift", dtype="float32"),
}


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Args:
        file: The image.
        class_name: The most probable class; `None` if the image could not be read.
        probability: Of that class, 0..1.
        error: Why the image could not be read.
    """

    file: str
    class_name: str | None = None
    probability: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """File, class and probability, or why there is none."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "class": self.class_name, "probability": self.probability}


class ImageClassificationTask(Task[Dataset]):
    """One class an image; images are brought to one size."""

    built_in = tuple(sources.BUILT_IN)
    default_data = "fashion-mnist"

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> Dataset:
        """Loads images with classes; see `atrous.data.load`."""
        recipe = cast(ImageClassification, recipe)
        size = recipe.image_size if config is None else config.image_shape[:2]
        return sources.load(source, seed=recipe.seed, image_size=size)

    def facts(self, data: Dataset) -> dict[str, Any]:
        """Names of the classes; height, width, channels."""
        return {"class_names": data.class_names, "image_shape": data.image_shape}

    def must_agree(self) -> tuple[str, ...]:
        """Other data must have the same classes and form."""
        return ("class_names", "image_shape")

    def build(self, config: Config, policy: str) -> keras.Model:
        """The dilated classifier, augmentation inside."""
        recipe = cast(ImageClassification, config.recipe)
        return DilatedClassifier(
            config.image_shape,
            len(config.class_names),
            rates=recipe.rates,
            depth=recipe.depth,
            reduction=recipe.reduction,
            head=None if recipe.head == "auto" else cast(Any, recipe.head),
            dropout=recipe.dropout,
            class_names=config.class_names,
            augmentation=[_AUGMENTATIONS[name]() for name in recipe.augment],
            dtype=policy,
        )

    def measures(self, config: Config) -> dict[str, Any]:
        """Cross-entropy, and the recipe's metric."""
        return {"loss": "sparse_categorical_crossentropy", "metrics": [config.recipe.metric]}

    def batches(self, part: Split, config: Config) -> Batches:
        """Batches of images and labels."""
        return Batches(part, config.recipe.batch_size, shuffle_seed=config.recipe.seed)

    def evaluate(self, model: keras.Model, part: Split, config: Config, **options: Any) -> dict[str, Any]:
        """What `evaluate` of this module says, and `classes`: for each name its number of `examples`, `recall`, `precision`."""
        check_options(options, (), config)
        result = evaluate(model, part, config.recipe.batch_size)
        return {**result, "classes": _per_class(config.class_names, np.asarray(result["confusion"]))}

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Prediction]:
        """Classifies image files; each image is brought to the run's size and channels as in training."""
        check_options(options if output is None else {"output": output, **options}, (), run.config)
        config, model = run.config, run.load_model()
        every = image_files(files)
        predictions: list[Prediction] = []
        for start in range(0, len(every), config.recipe.batch_size):
            predictions += _predict_batch(model, config, every[start : start + config.recipe.batch_size])
        return predictions

    def report(self, run: Run, model: keras.Model, data: Dataset, test: Mapping[str, Any]) -> Contents:
        """Confusion, predictions, what the dilated layer sees."""
        from atrous.tasks.image_classification.report import contents

        return contents(run, model, data, test)


TASK = ImageClassificationTask()


def evaluate(model: keras.Model, split: Split, batch_size: int = 64) -> dict[str, Any]:
    """Tests a classifier.

    Args:
        model: Images → probabilities.
        split: Labelled images.
        batch_size: Images at a time.

    Returns:
        `examples`, `loss` (cross-entropy, mean), `accuracy` (0..1) and `confusion`, [true class][predicted class].
    """
    probabilities = np.asarray(model.predict(Batches(split, batch_size), verbose=0), np.float64)
    labels, predicted = split.labels, probabilities.argmax(axis=1)
    of_truth = probabilities[np.arange(len(labels)), labels]
    confusion = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return {
        "examples": len(labels),
        "loss": float(-np.log(np.maximum(of_truth, keras.config.epsilon())).mean()),
        "accuracy": float((labels == predicted).mean()),
        "confusion": confusion.tolist(),
    }


def predict(model: keras.Model, images: Sequence[NDArray[np.uint8]], batch_size: int = 64) -> NDArray[np.float32]:
    """Returns class probabilities, (n, classes), for n images, each (height, width, channels), 0..255."""
    return np.asarray(model.predict(np.stack(images).astype(np.float32), batch_size=batch_size, verbose=0), np.float32)


def _per_class(class_names: tuple[str, ...], confusion: Any) -> dict[str, dict[str, Any]]:
    def share(hits: int, total: int) -> float | None:
        return float(hits / total) if total else None

    columns = zip(class_names, confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0), strict=True)
    return {
        name: {"examples": int(true), "recall": share(hits, true), "precision": share(hits, predicted)}
        for name, hits, true, predicted in columns
    }


def _predict_batch(model: keras.Model, config: Config, files: list[Path]) -> list[Prediction]:
    read: dict[Path, Any] = {}
    errors: dict[Path, str] = {}
    for file in files:
        try:
            read[file] = sources.read_image(file, config.image_shape)
        except ValueError as error:
            errors[file] = str(error)
        except OSError as error:
            errors[file] = f"`images` must be files that can be read. Received: {str(file)!r}: {error.strerror or error}."
    rows = dict(zip(read, predict(model, list(read.values())), strict=True)) if read else {}
    return [
        Prediction(str(file), error=errors[file])
        if file in errors
        else Prediction(str(file), config.class_names[rows[file].argmax()], float(rows[file].max()))
        for file in files
    ]
