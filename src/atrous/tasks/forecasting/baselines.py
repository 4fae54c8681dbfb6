"""What forecasts are measured against: last season's values, and exponential smoothing."""

from __future__ import annotations

import dataclasses
import json
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.seasons import naive_error
from atrous.data.series import Series, SeriesPart
from atrous.run import Run, replacing
from atrous.tasks.forecasting import metrics
from atrous.tasks.forecasting.evaluation import actual_of, naive
from atrous.tasks.forecasting.plan import Plan

FILE = "baselines.json"
SECONDS = 120.0
"""What smoothing may take in all; the origins that are left then are told."""
_SEASONS = 8  # steps that smoothing is fitted to, in seasons …
_LEAST = 400  # … and at least
_MOST = 4000  # … and at most
_LONGEST = 2000  # steps of a season that smoothing is tried with


@dataclass(frozen=True)
class Baseline:
    """A way to forecast without a network.

    Args:
        name: "seasonal naive (48)", "ETS (48)".
        mase: Mean over the series that it could forecast, by the same scale as the network's.
        smape: Likewise.
        pinball: Of the median, likewise.
        origins: From how many origins it forecast, of how many.
        series: MASE of each series.
        steps: Mean scaled error of each step ahead, over all origins.
        note: What it couldn't do.
    """

    name: str
    mase: float | None
    smape: float | None
    pinball: float | None
    origins: tuple[int, int]
    series: dict[str, float | None]
    steps: tuple[float | None, ...]
    note: str = ""


def of_run(run: Run, part: SeriesPart, plan: Plan) -> list[Baseline]:
    """The baselines of a run's test part: computed once, and kept in its folder.

    Args:
        run: The run.
        part: Its test part.
        plan: Of the run.
    """
    file = run.path / FILE
    origins = [[int(part.origins(i)[0]), len(part.origins(i))] for i in range(len(part.series))]
    key = {"plan": plan.to_json(), "origins": origins, "stride": part.stride}
    if file.exists():
        kept = json.loads(file.read_text("utf-8"))
        if kept["of"] == key:
            return [
                Baseline(**{**row, "origins": tuple(row["origins"]), "steps": tuple(row["steps"])}) for row in kept["baselines"]
            ]
    found = compute(part, plan)
    with replacing(file) as temporary:
        temporary.write_text(json.dumps({"of": key, "baselines": [dataclasses.asdict(each) for each in found]}), "utf-8")
    return found


def compute(part: SeriesPart, plan: Plan, seconds: float = SECONDS) -> list[Baseline]:
    """Last values of every season that was found, and exponential smoothing with it, on each origin of a part.

    Args:
        part: Origins.
        plan: Seasons, horizon.
        seconds: What smoothing may take in all.
    """
    seasons = sorted({*plan.seasons, plan.season})
    scales = [naive_error(each.values[:last], plan.season) for each, last in zip(part.series, part.trained, strict=True)]
    found = []
    for season in seasons:
        said = [naive(series, part.origins(i), plan.horizon, season) for i, series in enumerate(part.series)]
        name = f"seasonal naive ({season:,})" if season > 1 else "naive (last value)"
        found.append(_baseline(name, part, plan, scales, said, ""))
    for season in seasons:
        end = time.monotonic() + seconds / len(seasons)
        smoothed = [_smoothed(each, part.origins(i), plan.horizon, season, end) for i, each in enumerate(part.series)]
        notes = dict.fromkeys(note for _, note in smoothed if note)
        name = f"ETS ({season:,})" if season > 1 else "ETS"
        found.append(_baseline(name, part, plan, scales, [said for said, _ in smoothed], " ".join(notes)))
    return found


def _baseline(
    name: str, part: SeriesPart, plan: Plan, scales: Sequence[float], said: Sequence[NDArray[np.float64]], note: str
) -> Baseline:
    """Its figures; an origin that it has no forecast of is NaN, and left out."""
    actual = [actual_of(series, part.origins(i), plan.horizon) for i, series in enumerate(part.series)]
    each = {
        series.name: metrics.mase(a - s, np.zeros_like(s), scale)
        for series, a, s, scale in zip(part.series, actual, said, scales, strict=True)
    }
    return Baseline(
        name,
        metrics.mean_of(list(each.values())),
        metrics.mean_of([metrics.smape(a, s) for a, s in zip(actual, said, strict=True)]),
        metrics.mean_of([metrics.pinball(a, s, 0.5) for a, s in zip(actual, said, strict=True)]),
        (sum(int((~np.isnan(s[:, 0])).sum()) for s in said), sum(map(len, said))),
        each,
        by_step([np.abs(a - s) / scale for a, s, scale in zip(actual, said, scales, strict=True)]),
        note,
    )


def by_step(errors: Sequence[NDArray[np.float64]]) -> tuple[float | None, ...]:
    """Mean of each step ahead over all origins, (origins, horizon) of each series; missing ones are left out."""
    every = np.concatenate(errors)
    known = ~np.isnan(every)
    sums = np.where(known, every, 0).sum(axis=0)
    return tuple(float(s / n) if n else None for s, n in zip(sums, known.sum(axis=0), strict=True))


def _smoothed(
    series: Series, origins: NDArray[np.int64], horizon: int, season: int, end: float
) -> tuple[NDArray[np.float64], str]:
    """Forecasts of exponential smoothing, fitted anew at each origin to a stretch before it; NaN where there is none.

    Level and additive season, and a damped trend where there is no season: ETS(A,N,A) and ETS(A,Ad,N) of Hyndman et al. 2008.
    """
    said = np.full((len(origins), horizon), np.nan)
    length, filled = min(max(_SEASONS * season, _LEAST), _MOST), series.filled
    if season > _LONGEST:
        return said, f"A season of {season:,} steps is too long for ETS."
    for row, origin in enumerate(origins):
        if time.monotonic() > end:
            return said, f"ETS was stopped after {row} of {len(origins)} origins of {series.name}: it took too long."
        past = filled[max(0, origin - length) : origin]
        if len(past) < 2 * season + 2:
            return said, f"{series.name} is too short for ETS with a season of {season:,}."
        try:
            said[row] = smooth(past, horizon, season)
        except (ValueError, FloatingPointError, np.linalg.LinAlgError) as error:
            return said, f"ETS failed on {series.name}: {error}"
    return said, ""


def smooth(past: NDArray[np.float64], horizon: int, season: int) -> NDArray[np.float64]:
    """Exponential smoothing of one stretch by statsmodels: (horizon,).

    Args:
        past: (steps,), none missing.
        horizon: Steps ahead.
        season: Steps; 1 for none.

    Raises:
        ValueError: It has no forecast of this stretch.
    """
    if float(np.ptp(past)) == 0:
        return np.full(horizon, past[-1])
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    shape = {"seasonal": "add", "seasonal_periods": season} if season > 1 else {"trend": "add", "damped_trend": True}
    with warnings.catch_warnings():  # an optimizer that stops early is told by the figures
        warnings.simplefilter("ignore")
        fitted = ExponentialSmoothing(past, initialization_method="heuristic", **shape).fit()
        said = np.asarray(fitted.forecast(horizon), float)
    if not all(map(math.isfinite, said)):
        raise ValueError("it has no finite forecast")
    return said


def best_of(baselines: Sequence[Baseline], kind: str) -> Baseline | None:
    """Of those whose name begins so, the one with the least MASE."""
    known = [each for each in baselines if each.name.startswith(kind) and each.mase is not None]
    return min(known, key=lambda each: each.mase or 0.0, default=None)


def as_figures(baselines: Sequence[Baseline]) -> dict[str, Any]:
    """MASE by name."""
    return {each.name: each.mase for each in baselines}
