"""Rolling origin: the network forecasts from every origin of a part, and each forecast is compared with what came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.seasons import naive_error
from atrous.data.series import Series, SeriesPart
from atrous.tasks.forecasting import metrics
from atrous.tasks.forecasting.plan import Plan
from atrous.tasks.forecasting.windows import forecasts


@dataclass(frozen=True)
class Rolled:
    """Forecasts of one series from several origins.

    Args:
        series: The series.
        origins: First step that wasn't known, of each.
        actual: (origins, horizon), missing ones NaN.
        said: (origins, horizon, quantiles).
        scale: What errors are scaled by: of last season's values in the training part.
    """

    series: Series
    origins: NDArray[np.int64]
    actual: NDArray[np.float64]
    said: NDArray[np.float64]
    scale: float

    def figures(self, quantiles: tuple[float, ...]) -> dict[str, Any]:
        """Of this series: see `evaluate`."""
        median = self.said[..., quantiles.index(0.5)]
        pinball = {f"{q:g}": metrics.pinball(self.actual, self.said[..., i], q) for i, q in enumerate(quantiles)}
        mean = metrics.mean_of(list(pinball.values()))
        return {
            "origins": len(self.origins),
            "mase": metrics.mase(self.actual, median, self.scale),
            "smape": metrics.smape(self.actual, median),
            "pinball": pinball,
            "coverage": metrics.coverage(self.actual, self.said[..., 0], self.said[..., -1]),
            "scale": self.scale,
            "loss": None if mean is None else mean / self.scale,
        }


def roll(model: keras.Model, part: SeriesPart, plan: Plan, batch_size: int = 64) -> list[Rolled]:
    """Forecasts every series of a part from each of its origins."""
    found = []
    for i, series in enumerate(part.series):
        origins = part.origins(i)
        said = forecasts(model, series, plan, origins, batch_size).astype(float)
        scale = naive_error(series.values[: part.trained[i]], plan.season)
        found.append(Rolled(series, origins, actual_of(series, origins, plan.horizon), said, scale))
    return found


def naive(series: Series, origins: NDArray[np.int64], horizon: int, season: int) -> NDArray[np.float64]:
    """The value a season before each step ahead, or as many seasons as make it known at the origin: (origins, horizon)."""
    ahead = np.arange(horizon)
    found: NDArray[np.float64] = series.filled[np.maximum(origins[:, None] + ahead - season * (1 + ahead // season), 0)]
    return found


def actual_of(series: Series, origins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
    """What came: (origins, horizon)."""
    found: NDArray[np.float64] = series.values[origins[:, None] + np.arange(horizon)]
    return found


def evaluate(
    model: keras.Model, part: SeriesPart, plan: Plan, quantiles: tuple[float, ...], batch_size: int = 64
) -> dict[str, Any]:
    """Figures of a model on the origins of a part.

    Returns:
        `examples`, the number of origins; `loss`, the mean pinball loss over quantiles, scaled as MASE is; `mase`, `smape` and
        `coverage` of the outermost quantiles, each the mean over the series; `nominal`, what coverage should be;
        `naive_mase`, of last season's values; `season`; `pinball` by quantile, in the values' unit; and `series`, the
        same of each.
    """
    rolled = roll(model, part, plan, batch_size)
    return summary(rolled, plan, quantiles)


def summary(rolled: list[Rolled], plan: Plan, quantiles: tuple[float, ...]) -> dict[str, Any]:
    """What `evaluate` returns, of forecasts."""
    each: dict[str, dict[str, Any]] = {}
    for one in rolled:
        last = naive(one.series, one.origins, plan.horizon, plan.season)
        each[one.series.name] = {
            **one.figures(quantiles),
            "naive_mase": metrics.mase(one.actual, last, one.scale),
        }
    means = {name: metrics.mean_of([row[name] for row in each.values()]) for name in _MEANS}
    return {
        "examples": sum(len(one.origins) for one in rolled),
        "loss": _number(means["loss"]),
        "mase": _number(means["mase"]),
        **{name: means[name] for name in _MEANS if name not in ("loss", "mase")},
        "nominal": quantiles[-1] - quantiles[0],
        "season": plan.season,
        "pinball": _pinball(each),
        "series": each,
    }


_MEANS = ("loss", "mase", "smape", "coverage", "naive_mase")


def _pinball(each: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    names = next(iter(each.values()))["pinball"]
    return {name: metrics.mean_of([row["pinball"][name] for row in each.values()]) for name in names}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
