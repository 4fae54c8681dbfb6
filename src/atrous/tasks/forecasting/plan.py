"""How far is looked back and ahead: what a recipe leaves open, decided by the data and by what the network sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from atrous import schedules
from atrous.data.seasons import calendar_names, candidates, find_seasons, naive_error
from atrous.data.series import SHARES, Series
from atrous.data.timestamps import Grid
from atrous.tasks.forecasting.recipe import Forecasting

_LEAST = 32  # steps of a look-back
_MOST = 2000  # steps that are covered without being asked for; more make an epoch long
_ROOM = 0.7  # of the training part, what a look-back may take


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Args:
        grid: The steps.
        horizon: Steps ahead.
        look_back: Steps that the network is given.
        season: Steps of the season that forecasts are compared with; 1 if there is none.
        seasons: All that were found.
        rates: Dilation rate of each block.
        field: Steps that the last one sees.
        calendar: What times are told by.
        covariates: Names of what is known in advance.
        residual: Whether forecasts begin from last season's values.
    """

    grid: Grid
    horizon: int
    look_back: int
    season: int
    seasons: tuple[int, ...]
    rates: tuple[int, ...]
    field: int
    calendar: tuple[str, ...]
    covariates: tuple[str, ...]
    residual: bool

    @property
    def base(self) -> int:
        """How many steps ago the values are that the network corrects: a season, or the last one where that isn't seen."""
        return self.season if self.residual and self.season <= self.look_back else 1

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The plan of which `to_json` gave the values."""
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, (list, tuple))}
        return cls(**{**values, **lists, "grid": Grid(**values["grid"])})


def make(recipe: Forecasting, series: Sequence[Series]) -> Plan:
    """Decides what the recipe leaves open.

    Args:
        recipe: The choices.
        series: The data.
    """
    grid = series[0].grid
    horizon = recipe.horizon or default_horizon(grid)
    trained = [each.values[: trained_steps(len(each), horizon)] for each in series]
    seasons, season = _seasons(recipe, grid, trained)
    rates, room = _rates(recipe, horizon, seasons, trained)
    field = field_of(rates, recipe.kernel_size)
    return Plan(
        grid=grid,
        horizon=horizon,
        look_back=recipe.look_back or max(2, min(field, room)),
        season=season,
        seasons=seasons,
        rates=rates,
        field=field,
        calendar=calendar_names(grid, [len(each) for each in trained]),
        covariates=recipe.columns.known,
        residual=recipe.residual,
    )


def notes(plan: Plan) -> list[str]:
    """What is to be said of it before training."""
    longest = max(plan.seasons, default=1)
    seen = min(plan.field, plan.look_back)
    told = []
    if longest > seen:
        told.append(
            f"The season of {longest:,} steps is longer than what the network sees, {seen:,} steps: it can't learn it. "
            + ("A larger --look-back" if plan.look_back < plan.field else "More --blocks, or larger --rates,")
            + f" would reach it; {longest:,} steps or more are needed."
        )
    if plan.field < plan.look_back:
        told.append(f"Of the look-back of {plan.look_back:,} steps the network sees the last {plan.field:,}: its field.")
    return told


def default_horizon(grid: Grid) -> int:
    """A day of steps shorter than a day; 7 days, 13 weeks, 12 months, 4 quarters or years."""
    if grid.months:
        return 12 if grid.months == 1 else 4
    if grid.seconds < 86400:
        return max(1, round(86400 / grid.seconds))
    return 7 if grid.seconds < 604800 else 13


def trained_steps(steps: int, horizon: int) -> int:
    """Steps of the training part of a series, as `atrous.data.series.split` takes them; 0 if there is none."""
    tested = sum(max(1, min(round(share * steps / horizon), most)) for share, most in SHARES.values())
    return max(0, steps - tested * horizon)


def field_of(rates: Sequence[int], kernel_size: int) -> int:
    """Steps that the last one sees: two convolutions at each rate."""
    twice = [rate for rate in rates for _ in range(2)]
    return schedules.field_size([kernel_size] * len(twice), twice)


def _seasons(recipe: Forecasting, grid: Grid, trained: Sequence[NDArray[np.float64]]) -> tuple[tuple[int, ...], int]:
    """All seasons, and that by which last values are the better forecast."""
    if recipe.season is not None:
        return ((recipe.season,) if recipe.season > 1 else ()), recipe.season
    seasons = find_seasons(trained, candidates(grid))
    return seasons, (
        min(seasons, key=lambda season: float(np.mean([naive_error(each, season) for each in trained]))) if seasons else 1
    )


def _rates(
    recipe: Forecasting, horizon: int, seasons: Sequence[int], trained: Sequence[NDArray[np.float64]]
) -> tuple[tuple[int, ...], int]:
    """Rate of each block, and how many steps a look-back may have."""
    room = round(_ROOM * max(0.0, float(np.median([len(each) for each in trained])) - horizon))
    if len(recipe.rates) > 1 or (recipe.rates and recipe.rates != (1,)):
        return recipe.rates, room
    wanted, blocks = min(max(2 * max(seasons, default=1), 2 * horizon, _LEAST), _MOST), recipe.blocks or 1
    if recipe.blocks is None:
        while field_of(schedules.powers_of_two(blocks), recipe.kernel_size) < min(wanted, room):
            blocks += 1
    return ((1,) * blocks if recipe.rates else schedules.powers_of_two(blocks)), room
