"""Audio classification: dilated networks on clips of sound, on waveforms or log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from atrous.data.audio import AudioData, ClipSplit, load_audio, samples_of
from atrous.data.clips import Columns
from atrous.data.feeding import feed, reading
from atrous.run import Config, Run
from atrous.tasks.audio_classification import network
from atrous.tasks.audio_classification.batches import ClipBatches
from atrous.tasks.audio_classification.recipe import AudioClassification
from atrous.tasks.classes import ClassPrediction, balanced, figures
from atrous.tasks.recipe import Recipe
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents

_TOLD = 5  # files left out that are named before training


class AudioClassificationTask(Task[AudioData]):
    """One class a clip; clips are brought to one sample rate and length."""

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> AudioData:
        """Loads clips with classes; see `atrous.data.audio.load_audio`."""
        recipe = cast(AudioClassification, recipe)
        rate, seconds = recipe.sample_rate, recipe.seconds
        if config is not None:
            rate, seconds = config.facts["sound"]["sample_rate"], config.facts["sound"]["seconds"]
        columns = Columns(recipe.file, recipe.label, recipe.split)
        return load_audio(source, recipe.seed, rate, seconds, recipe.strict, columns)

    def facts(self, data: AudioData) -> dict[str, Any]:
        """Names of the classes; sample rate, length, whether silence is a class; what was left out."""
        return {
            "class_names": data.class_names,
            "sound": {"sample_rate": data.sample_rate, "seconds": data.seconds, "silence": data.silence},
            "skipped": tuple(name for name, _ in data.skipped),
        }

    def notes(self, data: AudioData) -> list[str]:
        """What was left out, and what was done with the clips."""
        told = [f"Left out: {why}" for _, why in data.skipped[:_TOLD]]
        if len(data.skipped) > _TOLD:
            told.append(f"Left out: {len(data.skipped) - _TOLD} more clips; the report names them.")
        return [*told, *data.notes]

    def must_agree(self) -> tuple[str, ...]:
        """Other data must have the same classes."""
        return ("class_names",)

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network."""
        return network.build(cast(AudioClassification, config.recipe), config, policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Cross-entropy, and the recipe's metric."""
        return {"loss": "sparse_categorical_crossentropy", "metrics": [config.recipe.metric]}

    def batches(self, part: ClipSplit, config: Config) -> ClipBatches:
        """Batches of samples and labels, and of weights if classes have them."""
        recipe = cast(AudioClassification, config.recipe)
        weights = balanced(part.labels, len(config.class_names)) if recipe.class_weights == "balanced" else None
        return ClipBatches(part, recipe.batch_size, _length(config), recipe.seed, recipe.augment, weights)

    def evaluate(self, model: keras.Model, part: ClipSplit, config: Config, **options: Any) -> dict[str, Any]:
        """What `tasks.classes.figures` says of the middle of each clip."""
        check_options(options, (), config)
        batches = ClipBatches(part, config.recipe.batch_size, _length(config))
        with reading(batches):
            said = np.asarray(model.predict(feed(batches), verbose=0), np.float64)
        return figures(said, part.labels, config.class_names)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[ClassPrediction]:
        """Classifies sound files: see `prediction.predict_files`; `top` is an option."""
        from atrous.tasks.audio_classification.prediction import predict_files

        check_options(options, ("top",), run.config)
        return predict_files(run.load_model(), run.config, files, output, **options)

    def report(self, run: Run, model: keras.Model, data: AudioData, test: Mapping[str, Any]) -> Contents:
        """Confusion, baselines, clips to hear and their spectrograms."""
        from atrous.tasks.audio_classification.report import contents

        return contents(run, model, data, test)


TASK = AudioClassificationTask()


def _length(config: Config) -> int:
    return samples_of(config.facts["sound"]["seconds"], config.facts["sound"]["sample_rate"])
