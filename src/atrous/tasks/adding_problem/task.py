"""The adding problem: a causal network adds the two numbers of T that are marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from atrous.run import Config, Run
from atrous.tasks.adding_problem import data as sequences
from atrous.tasks.adding_problem.evaluation import evaluate, sums
from atrous.tasks.adding_problem.recipe import AddingProblem
from atrous.tasks.recipe import Recipe
from atrous.tasks.sequence_modelling import network
from atrous.tasks.sequence_modelling.generated import Answer, GeneratedData, answers, field_notes, generate
from atrous.tasks.sequence_modelling.sequences import SequenceBatches, SequencePart
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents


class AddingProblemTask(Task[GeneratedData]):
    """The sum of two numbers."""

    built_in = ("adding-problem",)
    default_data = "adding-problem"

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> GeneratedData:
        """Draws sequences: see `adding_problem.data.draw`."""
        own = cast(AddingProblem, recipe)
        return generate(
            own.task,
            source,
            lambda generator, count: sequences.draw(generator, count, own.length),
            own.sequences,
            own.seed,
            each_step=False,
            notes=field_notes(own, "numbers that are marked before can't be added"),
        )

    def facts(self, data: GeneratedData) -> dict[str, Any]:
        """Nothing that the recipe doesn't say."""
        return {}

    def notes(self, data: GeneratedData) -> list[str]:
        """A field that is too short."""
        return list(data.notes)

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network."""
        return network.build(cast(AddingProblem, config.recipe), policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Mean squared error."""
        return {"loss": keras.losses.MeanSquaredError(), "metrics": []}

    def batches(self, part: SequencePart, config: Config) -> SequenceBatches:
        """Shuffled sequences."""
        return SequenceBatches(part, config.recipe.batch_size, config.recipe.seed, masked=False, dtype=np.float32)

    def evaluate(self, model: keras.Model, part: SequencePart, config: Config, **options: Any) -> dict[str, Any]:
        """Errors: see `evaluation.evaluate`."""
        check_options(options, (), config)
        return evaluate(model, part)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Answer]:
        """The sum that is said of each sequence in .npy files: see `adding_problem.data.asked`."""
        check_options(options, (), run.config)
        model = run.load_model()

        def say(array: Any, name: str) -> list[float]:
            inputs = sequences.asked(array, name)
            part = SequencePart(inputs, np.zeros((len(inputs), 1)), [""] * len(inputs), each_step=False)
            return [float(value) for value in sums(model, part)[0]]

        return answers(list(files), say)

    def report(self, run: Run, model: keras.Model, data: GeneratedData, test: Mapping[str, Any]) -> Contents:
        """What was said beside what is true, field beside T."""
        from atrous.tasks.adding_problem.report import contents

        return contents(run, model, data, test)


TASK = AddingProblemTask()
