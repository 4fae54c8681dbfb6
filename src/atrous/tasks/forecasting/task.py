"""Forecasting: causal dilated networks on series, with quantiles of the steps ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from atrous.data.seasons import calendar_channels
from atrous.data.series import SeriesPart
from atrous.run import Config, Run
from atrous.tasks.forecasting import network
from atrous.tasks.forecasting.data import ForecastData, load
from atrous.tasks.forecasting.evaluation import evaluate
from atrous.tasks.forecasting.loss import PinballLoss
from atrous.tasks.forecasting.plan import Plan
from atrous.tasks.forecasting.recipe import Forecasting
from atrous.tasks.forecasting.windows import WindowBatches
from atrous.tasks.recipe import Recipe
from atrous.tasks.task import Task, check_options

if TYPE_CHECKING:
    from markupsafe import Markup

    from atrous.report.page import Contents

_TOLD = 8  # notes before training; the page has all


class ForecastingTask(Task[ForecastData]):
    """Quantiles of the next steps; every part of the data is a stretch of time."""

    goes_on = True

    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> ForecastData:
        """Loads series: see `forecasting.data.load`."""
        return load(source, cast(Forecasting, recipe), None if config is None else plan_of(config))

    def facts(self, data: ForecastData) -> dict[str, Any]:
        """What was decided, and the names of the series."""
        return {"plan": data.plan.to_json(), "names": tuple(each.name for each in data.series)}

    def notes(self, data: ForecastData) -> list[str]:
        """What was found in the files, and seasons that the network can't see."""
        told = [*(f"Left out: {why}" for _, why in data.skipped), *data.notes]
        if len(told) > _TOLD:
            told = [*told[:_TOLD], f"{len(told) - _TOLD} more notes on the data are on the report's page."]
        return told

    def build(self, config: Config, policy: str) -> keras.Model:
        """The recipe's network."""
        plan = plan_of(config)
        channels = 2 + calendar_channels(plan.calendar) + len(plan.covariates)
        return network.build(cast(Forecasting, config.recipe), plan, channels, policy)

    def measures(self, config: Config) -> dict[str, Any]:
        """The pinball loss; MASE is of whole parts alone."""
        return {"loss": PinballLoss(cast(Forecasting, config.recipe).quantiles), "metrics": []}

    def batches(self, part: SeriesPart, config: Config) -> WindowBatches:
        """Windows of the training part."""
        return WindowBatches(part, plan_of(config), config.recipe.batch_size, config.recipe.seed)

    def evaluate(self, model: keras.Model, part: SeriesPart, config: Config, **options: Any) -> dict[str, Any]:
        """Figures over rolling origins: see `evaluation.evaluate`."""
        check_options(options, (), config)
        return evaluate(model, part, plan_of(config), cast(Forecasting, config.recipe).quantiles)

    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Any]:
        """The next horizon of each series: see `prediction.predict`."""
        from atrous.tasks.forecasting.prediction import predict

        check_options(options, (), run.config)
        return predict(run, list(files), output)

    def report(self, run: Run, model: keras.Model, data: ForecastData, test: Mapping[str, Any]) -> Contents:
        """Forecasts drawn, errors by step, baselines, what the look-back covers."""
        from atrous.tasks.forecasting.report import contents

        return contents(run, model, data, test)

    def compared(self, runs: Sequence[Run], names: Sequence[str]) -> Sequence[Markup]:
        """The same origins forecast by each run."""
        from atrous.tasks.forecasting.compare import sections

        return sections(runs, names)


TASK = ForecastingTask()


def plan_of(config: Config) -> Plan:
    """What was decided for a run."""
    return Plan.from_json(config.facts["plan"])
