"""Generating sound: WaveNet on recordings, measured in bits per sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from atrous.data.recordings import RecordingPart
from atrous.run import Config, Run
from atrous.tasks.audio_generation import network
from atrous.tasks.audio_generation.crops import CropBatches
from atrous.tasks.audio_generation.data import GenerationData, Plan, load
from atrous.tasks.audio_generation.evaluation import evaluate
from atrous.tasks.audio_generation.loss import CodeLoss
from atrous.tasks.audio_generation.recipe import AudioGeneration
from atrous.tasks.recipe import Recipe
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from markupsafe import Markup

    from atrous.report.page import Contents

_TOLD = 8  # notes before training; the page has all


class AudioGenerationTask(Task[GenerationData]):
    """The probability of the next sample; parts are of whole files."""

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> GenerationData:
        """Loads recordings: see `audio_generation.data.load`."""
        if config is None:
            return load(source, cast(AudioGeneration, recipe))
        return load(source, cast(AudioGeneration, recipe), Plan.of(config), own=source == config.data)

    def facts(self, data: GenerationData) -> dict[str, Any]:
        """What was decided."""
        return {"plan": data.plan.to_json()}

    def notes(self, data: GenerationData) -> list[str]:
        """What was left out and what was done with the files."""
        told = [*(f"Left out: {why}" for _, why in data.skipped), *data.notes]
        if len(told) > _TOLD:
            told = [*told[:_TOLD], f"{len(told) - _TOLD} more notes on the data are on the report's page."]
        return told

    def build(self, config: Config, policy: str) -> keras.Model:
        """WaveNet; see `network.build`."""
        return network.build(cast(AudioGeneration, config.recipe), Plan.of(config), policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Nats of the code; bits are of whole parts alone."""
        recipe = cast(AudioGeneration, config.recipe)
        return {"loss": CodeLoss(recipe.head, recipe.classes), "metrics": []}

    def batches(self, part: RecordingPart, config: Config) -> CropBatches:
        """Crops of the training part."""
        recipe = cast(AudioGeneration, config.recipe)
        return CropBatches(part, recipe.crop, recipe.batch_size, recipe.head, recipe.classes, recipe.seed)

    def evaluate(self, model: keras.Model, part: RecordingPart, config: Config, **options: Any) -> dict[str, Any]:
        """Bits per sample: see `evaluation.evaluate`."""
        check_options(options, (), config)
        return evaluate(model, part, cast(AudioGeneration, config.recipe), Plan.of(config))

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Any]:
        """Bits per sample of each file: see `prediction.predict`."""
        from atrous.tasks.audio_generation.prediction import predict

        check_options(options, (), run.config)
        return predict(run, list(files), output)

    def report(self, run: Run, model: keras.Model, data: GenerationData, test: Mapping[str, Any]) -> Contents:
        """Sounds to be heard and seen, their spectra, bits beside those of predictors, what the network sees."""
        from atrous.tasks.audio_generation.report import contents

        return contents(run, model, data, test)

    def compared(self, runs: Sequence[Run], names: Sequence[str]) -> Sequence[Markup]:
        """A sound of each run."""
        from atrous.tasks.audio_generation.compare import sections

        return sections(runs, names)


TASK = AudioGenerationTask()
