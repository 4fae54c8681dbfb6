"""Sequence labelling: SpliceNet on long DNA, a label for every base of both strands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from atrous.run import Config, Run
from atrous.tasks.recipe import Recipe
from atrous.tasks.sequence_labelling import network
from atrous.tasks.sequence_labelling.data import SequenceData, SequencePart, counts_of, load
from atrous.tasks.sequence_labelling.evaluation import evaluate
from atrous.tasks.sequence_labelling.plan import Plan
from atrous.tasks.sequence_labelling.recipe import SequenceLabelling
from atrous.tasks.sequence_labelling.windows import WindowBatches
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents


class SequenceLabellingTask(Task[SequenceData]):
    """Sites of each type; every part of the data is some stretches of DNA, both strands."""

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> SequenceData:
        """Reads DNA and sites: see `sequence_labelling.data.load`."""
        if config is None:
            return load(source, recipe)
        if source != config.data:  # other data have their own files
            recipe = dataclasses.replace(cast(SequenceLabelling, recipe), sites=None, splits=None)
        return load(source, recipe, plan_of(config))

    def facts(self, data: SequenceData) -> dict[str, Any]:
        """What was decided, what sites are called, and how many there are for training."""
        names = data.sites.types
        return {"plan": data.plan.to_json(), "names": names, "sites_of": counts_of(data.train, names)}

    def must_agree(self) -> tuple[str, ...]:
        """Types of sites."""
        return ("names",)

    def notes(self, data: SequenceData) -> list[str]:
        """What was found in the files."""
        return list(data.notes)

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network."""
        recipe = cast(SequenceLabelling, config.recipe)
        return network.build(plan_of(config), 1 + len(recipe.names), recipe.filters, policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Cross-entropy; the rest is of whole parts alone."""
        return {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "metrics": []}

    def batches(self, part: SequencePart, config: Config) -> WindowBatches:
        """Windows of the training part."""
        recipe = cast(SequenceLabelling, config.recipe)
        return WindowBatches(part, plan_of(config), recipe.window, recipe.batch_size, recipe.around, recipe.mutate, recipe.seed)

    def evaluate(self, model: keras.Model, part: SequencePart, config: Config, **options: Any) -> dict[str, Any]:
        """Figures over all bases: see `evaluation.evaluate`."""
        check_options(options, (), config)
        return evaluate(model, part, plan_of(config), cast(SequenceLabelling, config.recipe).names)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Any]:
        """Sites of each record: see `prediction.predict`."""
        from atrous.tasks.sequence_labelling.prediction import predict

        check_options(options, ("confidence",), run.config)
        return predict(run, list(files), output, **options)

    def report(self, run: Run, model: keras.Model, data: SequenceData, test: Mapping[str, Any]) -> Contents:
        """Precision over recall, scores along the DNA, the matrix beside."""
        from atrous.tasks.sequence_labelling.report import contents

        return contents(run, model, data, test)


TASK = SequenceLabellingTask()


def plan_of(config: Config) -> Plan:
    """What was decided for a run."""
    return Plan.from_json(config.facts["plan"])
