"""Copy memory: a causal network repeats ten digits after T steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from atrous.run import Config, Run
from atrous.tasks.copy_memory import data as sequences
from atrous.tasks.copy_memory.evaluation import evaluate
from atrous.tasks.copy_memory.recipe import DIGITS, CopyMemory
from atrous.tasks.recipe import Recipe
from atrous.tasks.sequence_modelling import network
from atrous.tasks.sequence_modelling.generated import Answer, GeneratedData, answers, field_notes, generate
from atrous.tasks.sequence_modelling.sequences import SequenceBatches, SequencePart, outputs
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents


class CopyMemoryTask(Task[GeneratedData]):
    """Ten digits, T steps later."""

    built_in = ("copy-memory",)
    default_data = "copy-memory"

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> GeneratedData:
        """Draws sequences: see `copy_memory.data.draw`."""
        own = cast(CopyMemory, recipe)
        return generate(
            own.task,
            source,
            lambda generator, count: sequences.draw(generator, count, own.length),
            own.sequences,
            own.seed,
            each_step=True,
            notes=field_notes(own, "no digit can be recalled when it is asked for"),
        )

    def facts(self, data: GeneratedData) -> dict[str, Any]:
        """Nothing that the recipe doesn't say."""
        return {}

    def notes(self, data: GeneratedData) -> list[str]:
        """A field that is too short."""
        return list(data.notes)

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network."""
        return network.build(cast(CopyMemory, config.recipe), policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Cross-entropy over all steps, as published; recall is of whole parts alone."""
        return {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "metrics": []}

    def batches(self, part: SequencePart, config: Config) -> SequenceBatches:
        """Shuffled sequences."""
        return SequenceBatches(part, config.recipe.batch_size, config.recipe.seed, masked=False, dtype=np.int32)

    def evaluate(self, model: keras.Model, part: SequencePart, config: Config, **options: Any) -> dict[str, Any]:
        """Loss and recall: see `evaluation.evaluate`."""
        check_options(options, (), config)
        return evaluate(model, part)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Answer]:
        """The ten digits that are said of each sequence in .npy files: see `copy_memory.data.asked`."""
        check_options(options, (), run.config)
        model = run.load_model()

        def say(array: Any, name: str) -> list[list[int]]:
            inputs = sequences.asked(array, name)
            part = SequencePart(inputs, inputs[..., 0], [""] * len(inputs))
            said = dict(outputs(model, part))
            return [said[i][-DIGITS:].argmax(axis=-1).tolist() for i in range(len(part))]

        return answers(list(files), say)

    def report(self, run: Run, model: keras.Model, data: GeneratedData, test: Mapping[str, Any]) -> Contents:
        """Recall by place and by T, sequences as strips, field beside T."""
        from atrous.tasks.copy_memory.report import contents

        return contents(run, model, data, test)


TASK = CopyMemoryTask()
