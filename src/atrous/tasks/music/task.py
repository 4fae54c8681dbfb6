"""Music: a causal network says which keys of a piano sound in the next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from atrous.run import Config, Run
from atrous.tasks.music.data import MusicData, load
from atrous.tasks.music.evaluation import evaluate
from atrous.tasks.music.loss import KeysNLL
from atrous.tasks.music.recipe import Music
from atrous.tasks.recipe import Recipe
from atrous.tasks.sequence_modelling import network
from atrous.tasks.sequence_modelling.sequences import SequenceBatches, SequencePart
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents

_TOLD = 5  # pieces that are left out, before training; the page has all


class MusicTask(Task[MusicData]):
    """The next step of piano rolls."""

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> MusicData:
        """Loads pieces: see `music.data.load`."""
        return load(source, cast(Music, recipe))

    def facts(self, data: MusicData) -> dict[str, Any]:
        """How many steps of each part are predicted."""
        parts = {"train": data.train, "validation": data.validation, "test": data.test}
        return {"predicted": {name: int(part.lengths.sum()) for name, part in parts.items()}}

    def notes(self, data: MusicData) -> list[str]:
        """Pieces that are left out, or silent."""
        told = [f"Left out: {why}" for _, why in data.skipped[:_TOLD]]
        if len(data.skipped) > _TOLD:
            told.append(f"{len(data.skipped) - _TOLD:,} more pieces are left out; the report's page has them.")
        return [*told, *data.notes]

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network."""
        return network.build(cast(Music, config.recipe), policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """The negative log-likelihood of the steps that there are; the metric is of whole parts alone."""
        return {"loss": KeysNLL(), "metrics": []}

    def batches(self, part: SequencePart, config: Config) -> SequenceBatches:
        """Whole pieces, those of about one length together."""
        return SequenceBatches(part, config.recipe.batch_size, config.recipe.seed, masked=True, dtype=np.float32)

    def evaluate(self, model: keras.Model, part: SequencePart, config: Config, **options: Any) -> dict[str, Any]:
        """Figures of whole pieces: see `evaluation.evaluate`."""
        check_options(options, (), config)
        return evaluate(model, part)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Any]:
        """How well each piece is known: see `prediction.predict`."""
        from atrous.tasks.music.prediction import predict

        check_options(options, (), run.config)
        return predict(run, list(files), output)

    def report(self, run: Run, model: keras.Model, data: MusicData, test: Mapping[str, Any]) -> Contents:
        """A piano roll with what was said of it, what is known without a network, and by position."""
        from atrous.tasks.music.report import contents

        return contents(run, model, data, test)


TASK = MusicTask()
