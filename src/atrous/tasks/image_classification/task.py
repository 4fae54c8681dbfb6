"""Image classification: dilated networks on images that are brought to one size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from atrous import data as sources
from atrous.data import Batches, Dataset, Split
from atrous.data.feeding import feed, reading
from atrous.run import Config, Run
from atrous.tasks.classes import ClassPrediction, balanced, figures
from atrous.tasks.image_classification import network
from atrous.tasks.image_classification.prediction import predict_files
from atrous.tasks.image_classification.recipe import ImageClassification
from atrous.tasks.recipe import Recipe
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents

_TOLD = 5  # files left out that are named before training


class ImageClassificationTask(Task[Dataset]):
    """One class an image; images are brought to one size."""

    built_in = tuple(sources.BUILT_IN)
    default_data = "fashion-mnist"

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> Dataset:
        """Loads images with classes; see `atrous.data.load`."""
        recipe = cast(ImageClassification, recipe)
        size = recipe.image_size if config is None else config.image_shape[:2]
        channels = None if config is None else config.image_shape[2]
        return sources.load(source, recipe.seed, size, recipe.resize, recipe.strict, channels)

    def facts(self, data: Dataset) -> dict[str, Any]:
        """Names of the classes; height, width, channels; files left out."""
        skipped = tuple(name for name, _ in data.skipped)
        return {"class_names": data.class_names, "image_shape": data.image_shape, "skipped": skipped}

    def notes(self, data: Dataset) -> list[str]:
        """Files left out, classes that can't be tested, what else was found in the folders."""
        told = [f"Left out: {why}" for _, why in data.skipped[:_TOLD]]
        if len(data.skipped) > _TOLD:
            told.append(f"Left out: {len(data.skipped) - _TOLD} more files that can't be read; the report names them.")
        return [*told, *data.notes]

    def must_agree(self) -> tuple[str, ...]:
        """Other data must have the same classes and form."""
        return ("class_names", "image_shape")

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network, with the weights that it begins with."""
        return network.build(cast(ImageClassification, config.recipe), config.image_shape, config.class_names, policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Cross-entropy, and the recipe's metric."""
        return {"loss": "sparse_categorical_crossentropy", "metrics": [config.recipe.metric]}

    def batches(self, part: Split, config: Config) -> Batches:
        """Batches of images and labels, and of weights if classes have them."""
        recipe = cast(ImageClassification, config.recipe)
        weights = balanced(part.labels, len(config.class_names)) if recipe.class_weights == "balanced" else None
        return Batches(part, recipe.batch_size, shuffle_seed=recipe.seed, class_weights=weights)

    def evaluate(self, model: keras.Model, part: Split, config: Config, **options: Any) -> dict[str, Any]:
        """What `classes.figures` says."""
        check_options(options, (), config)
        batches = Batches(part, config.recipe.batch_size)
        with reading(batches):
            probabilities = model.predict(feed(batches), verbose=0)
        return figures(probabilities, part.labels, config.class_names)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[ClassPrediction]:
        """Classifies image files: see `prediction.predict_files`; `top` is an option."""
        check_options(options, ("top",), run.config)
        return predict_files(run.load_model(), run.config, files, output, **options)

    def report(self, run: Run, model: keras.Model, data: Dataset, test: Mapping[str, Any]) -> Contents:
        """Confusion, predictions, what the dilated layer sees."""
        from atrous.tasks.image_classification.report import contents

        return contents(run, model, data, test)


TASK = ImageClassificationTask()
