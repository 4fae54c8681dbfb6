"""Series classification: dilated residual networks over whole series, one class each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from atrous.run import Config, Run
from atrous.tasks.classes import balanced
from atrous.tasks.recipe import Recipe
from atrous.tasks.series_classification import network
from atrous.tasks.series_classification.batches import SeriesBatches
from atrous.tasks.series_classification.data import LabelledSeries, SeriesCases, load
from atrous.tasks.series_classification.evaluation import evaluate
from atrous.tasks.series_classification.plan import Plan
from atrous.tasks.series_classification.recipe import SeriesClassification
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from atrous.report.page import Contents

_TOLD = 5  # cases left out that are named before training


class SeriesClassificationTask(Task[LabelledSeries]):
    """One class a series, of any length and number of channels."""

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> LabelledSeries:
        """Loads series: see `series_classification.data.load`."""
        recipe = cast(SeriesClassification, recipe)
        if config is None:
            return load(source, recipe)
        return load(source, recipe, plan_of(config), config.class_names, config.channels)

    def facts(self, data: LabelledSeries) -> dict[str, Any]:
        """Names of the classes, number of channels, what was decided, cases left out."""
        skipped = tuple(where for where, _ in data.skipped)
        return {"class_names": data.class_names, "channels": data.channels, "plan": data.plan.to_json(), "skipped": skipped}

    def notes(self, data: LabelledSeries) -> list[str]:
        """Cases left out, and what was found in the files."""
        told = [f"Left out: {why}" for _, why in data.skipped[:_TOLD]]
        if len(data.skipped) > _TOLD:
            told.append(f"Left out: {len(data.skipped) - _TOLD:,} more cases that can't be read; the report names them.")
        told += data.notes
        if not data.held_out:
            told.append(
                f"None of the {len(data.train.series):,} training cases is held out: validation figures are of these cases, "
                "and say only how well they fit. --validation 0.2 holds out a fifth."
            )
        return told

    def must_agree(self) -> tuple[str, ...]:
        """Other data must have the same classes and channels."""
        return ("class_names", "channels")

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network."""
        return network.build(cast(SeriesClassification, config.recipe), plan_of(config), len(config.class_names), policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """Cross-entropy, and the recipe's metric."""
        return {"loss": "sparse_categorical_crossentropy", "metrics": [config.recipe.metric]}

    def batches(self, part: SeriesCases, config: Config) -> SeriesBatches:
        """Batches of series and labels, and of weights if classes have them."""
        recipe = cast(SeriesClassification, config.recipe)
        weights = balanced(part.labels, len(config.class_names)) if recipe.class_weights == "balanced" else None
        return SeriesBatches(part, plan_of(config), recipe.batch_size, recipe.seed, recipe.augment, weights)

    def evaluate(self, model: keras.Model, part: SeriesCases, config: Config, **options: Any) -> dict[str, Any]:
        """Figures of classifiers: see `atrous.tasks.classes.figures`."""
        check_options(options, (), config)
        return evaluate(model, part, plan_of(config), config.class_names)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Any]:
        """Classifies the series of files: see `prediction.predict`; `top` is an option."""
        from atrous.tasks.series_classification.prediction import predict

        check_options(options, ("top",), run.config)
        return predict(run, list(files), output, **options)

    def report(self, run: Run, model: keras.Model, data: LabelledSeries, test: Mapping[str, Any]) -> Contents:
        """Confusion, series drawn with what speaks for their class, nearest neighbours beside the network."""
        from atrous.tasks.series_classification.report import contents

        return contents(run, model, data, test)


TASK = SeriesClassificationTask()


def plan_of(config: Config) -> Plan:
    """What was decided for a run."""
    return Plan.from_json(config.facts["plan"])
