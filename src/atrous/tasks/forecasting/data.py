"""Series and what was decided for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atrous.data.series import SeriesData, read_series, split
from atrous.tasks.forecasting.plan import Plan, make, notes
from atrous.tasks.forecasting.recipe import Forecasting


@dataclass(frozen=True, kw_only=True)
class ForecastData(SeriesData):
    """Series, their parts, and the plan.

    Args:
        plan: How far is looked back and ahead.
    """

    plan: Plan


def load(source: str, recipe: Forecasting, plan: Plan | None = None) -> ForecastData:
    """Reads series and splits them.

    Args:
        source: A CSV file or a folder of them.
        recipe: The choices.
        plan: Of a run whose data they are or must be like; by default made of the recipe and the data.

    Raises:
        ValueError: The data break a rule; see `atrous.data.series`.
    """
    series, said, skipped = read_series(source, recipe.columns, recipe.strict, None if plan is None else plan.grid)
    plan = plan or make(recipe, series)
    stride = recipe.stride or plan.horizon
    data = split(
        Path(source).stem,
        series,
        plan.covariates,
        plan.horizon,
        stride,
        plan.look_back + plan.horizon,
        recipe.windows,
        [*said, *notes(plan)],
        skipped,
        recipe.strict,
    )
    return ForecastData(**vars(data), plan=plan)
