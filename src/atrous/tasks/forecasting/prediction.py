"""The next steps of series, and the file that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.pandas import pandas
from atrous.data.series import Series, read_series
from atrous.run import Run, replacing
from atrous.tasks.forecasting.plan import Plan
from atrous.tasks.forecasting.recipe import Forecasting
from atrous.tasks.forecasting.windows import forecasts


@dataclass(frozen=True)
class Forecast:
    """What a network says of one series.

    Args:
        file: Where the series is.
        series: Its name.
        times: (horizon,) ISO 8601: the steps behind its last value.
        quantiles: For each quantile its values, (horizon,), in the series' unit.
        error: Why there is no forecast.
        note: What the user should know of it.
        written: The file that holds it, if one was asked for.
    """

    file: str
    series: str = ""
    times: tuple[str, ...] = ()
    quantiles: dict[float, NDArray[np.float64]] | None = None
    error: str | None = None
    note: str | None = None
    written: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything; or why there is nothing."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        quantiles = {f"{q:g}": [float(v) for v in values] for q, values in (self.quantiles or {}).items()}
        written = {"written": self.written} if self.written else {}
        return {"file": self.file, "series": self.series, **written, "timestamps": list(self.times), "quantiles": quantiles}

    def to_row(self) -> dict[str, str]:
        """A line for people: from when to when, first and last median."""
        median = (self.quantiles or {})[0.5]
        between = f"{self.times[0]} … {self.times[-1]}"
        row = {"series": self.series, "timestamps": between, "median": f"{median[0]:.6g} … {median[-1]:.6g}"}
        return {**row, "written": self.written} if self.written else row


def predict(run: Run, files: Sequence[Path], output: Path | None) -> list[Forecast]:
    """Forecasts the next horizon of each series.

    Args:
        run: The run.
        files: CSV files or folders of them; none: the run's own data.
        output: A CSV file to write, or a folder for `forecast.csv`: columns timestamp, series and a column a quantile.

    Raises:
        FileNotFoundError: There is no such file.
    """
    recipe, plan = cast(Forecasting, run.config.recipe), Plan.from_json(run.config.facts["plan"])
    model = run.load_model()
    found: list[Forecast] = []
    for source in files or [Path(run.config.data)]:
        try:
            series, _, skipped = read_series(source, recipe.columns, grid=plan.grid)
        except ValueError as error:
            found.append(Forecast(str(source), error=str(error)))
            continue
        found += [Forecast(str(source), error=why) for _, why in skipped]
        found += [_forecast(model, each, plan, recipe.quantiles) for each in series]
    place = None if output is None else output if output.suffix.lower() == ".csv" else output / "forecast.csv"
    if place is not None and any(each.error is None for each in found):
        _write(found, recipe.quantiles, place)
        found = [each if each.error else Forecast(**{**vars(each), "written": str(place)}) for each in found]
    return found


def _forecast(model: keras.Model, series: Series, plan: Plan, quantiles: Sequence[float]) -> Forecast:
    steps = len(series)
    why = _lacks(series, plan)
    if why:
        return Forecast(series.file, series.name, error=why)
    said = forecasts(model, series, plan, np.array([steps]))[0].astype(float)
    times = series.times(steps, steps + plan.horizon)
    note = None
    if steps < plan.look_back:
        note = (
            f"{series.name} has {steps:,} steps, the network looks back {plan.look_back:,}: what is before is taken as missing."
        )
    return Forecast(
        series.file,
        series.name,
        tuple(each.isoformat() for each in times),
        dict(zip(quantiles, said.T, strict=True)),
        note=note,
    )


def _lacks(series: Series, plan: Plan) -> str:
    """What keeps a series from being forecast; "" if nothing does."""
    steps = len(series)
    if steps <= plan.base:
        return (
            f"A series must have more than {plan.base:,} steps, those of its season. "
            f"Received: {series.name} with {steps:,}. Give more of its past."
        )
    ahead = series.known[steps : steps + plan.horizon]
    if plan.covariates and (len(ahead) < plan.horizon or np.isnan(ahead).any()):
        given = int((~np.isnan(ahead).any(axis=1)).sum())
        first, last = series.times(steps, steps + plan.horizon)[[0, -1]]
        return (
            f"{', '.join(plan.covariates)} must be known for all {plan.horizon} steps ahead, {first} to {last}. Received: "
            f"{series.name} with {given} of them. Add rows with these timestamps, the columns filled in and no value."
        )
    return ""


def _write(found: Sequence[Forecast], quantiles: Sequence[float], file: Path) -> None:
    pd = pandas()
    tables = [
        pd.DataFrame({"timestamp": each.times, "series": each.series, **{f"{q:g}": each.quantiles[q] for q in quantiles}})
        for each in found
        if each.quantiles is not None
    ]
    with replacing(file) as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
