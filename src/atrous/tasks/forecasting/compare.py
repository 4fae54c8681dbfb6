"""The same origins forecast by several networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from markupsafe import Markup

from atrous import plots
from atrous.report import embed
from atrous.report.page import render
from atrous.run import Run
from atrous.tasks.forecasting import baselines
from atrous.tasks.forecasting.evaluation import Rolled, naive, roll
from atrous.tasks.forecasting.plan import Plan
from atrous.tasks.forecasting.recipe import Forecasting

_SHOWN = 4


def sections(runs: Sequence[Run], names: Sequence[str]) -> list[Markup]:
    """A drawing an origin, with the median of each run; and errors by step. None if runs have other data or horizons."""
    plans = [Plan.from_json(run.config.facts["plan"]) for run in runs]
    if len({(run.config.data, plan.horizon) for run, plan in zip(runs, plans, strict=True)}) > 1:
        return []
    rolled = [roll(run.load_model(), run.load_data().test, plan) for run, plan in zip(runs, plans, strict=True)]
    if not _alike(rolled):
        return []
    medians = [
        [each.said[..., cast(Forecasting, run.config.recipe).quantiles.index(0.5)] for each in of_run]
        for run, of_run in zip(runs, rolled, strict=True)
    ]
    errors = {name: _errors(of_run, median) for name, of_run, median in zip(names, rolled, medians, strict=True)}
    first, plan = rolled[0], plans[0]
    last = [naive(each.series, each.origins, plan.horizon, plan.season) for each in first]
    errors["last season" if plan.season > 1 else "last value"] = _errors(first, last)
    steps = embed.svg(
        plots.errors_by_step(errors, label="mean scaled error"),
        name="steps",
        alt="Mean scaled error of each run by step ahead.",
    )
    drawings = [_drawn(first, medians, names, plan, i, row) for i, row in _places(first)]
    return [render(__package__ or "", "compare.html", drawings=drawings, steps=steps)]


def _alike(rolled: Sequence[Sequence[Rolled]]) -> bool:
    """Whether all forecast the same series from the same steps."""
    keys = [[(each.series.name, each.origins.tolist()) for each in of_run] for of_run in rolled]
    return all(key == keys[0] for key in keys)


def _errors(rolled: Sequence[Rolled], medians: Sequence[Any]) -> list[float]:
    """Mean scaled error by step; all are scaled as the first run's, whose season may be another."""
    steps = baselines.by_step([np.abs(each.actual - median) / each.scale for each, median in zip(rolled, medians, strict=True)])
    return [np.nan if step is None else step for step in steps]


def _places(rolled: Sequence[Rolled]) -> list[tuple[int, int]]:
    """Origins spread evenly over all series."""
    every = [(i, row) for i, each in enumerate(rolled) for row in range(len(each.origins))]
    return [every[i] for i in np.unique(np.linspace(0, len(every) - 1, min(len(every), _SHOWN)).round().astype(int))]


def _drawn(
    rolled: Sequence[Rolled], medians: Sequence[Sequence[Any]], names: Sequence[str], plan: Plan, i: int, row: int
) -> dict[str, Any]:
    each = rolled[i]
    first = int(each.origins[row])
    past = min(first, 2 * plan.horizon)
    times = each.series.times(first - past, first + plan.horizon)
    lines = {name: median[i][row].tolist() for name, median in zip(names[1:], medians[1:], strict=True)}
    axes = plots.fan_chart(
        {0.5: medians[0][i][row].tolist()},
        past=each.series.values[first - past : first].tolist(),
        actual=each.actual[row].tolist(),
        others=lines,
        times=times.to_pydatetime(),
        median=names[0],
    )
    name = f"{each.series.name}, from {str(times[past]).removesuffix(' 00:00:00')}"
    return {
        "name": name,
        "svg": embed.svg(axes, name=f"compared-{i}-{row}", alt=f"Forecasts of {name}, by {', '.join(names)}."),
    }
