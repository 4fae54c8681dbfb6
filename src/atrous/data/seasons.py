"""Seasons: what calendars suggest, what a series has of it, and where in them a time lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.timestamps import Grid

_DAY, _WEEK, _YEAR = 86400.0, 604800.0, 31556952.0  # seconds
_LEAST = 0.3  # autocorrelation of a season
_GAIN = 0.95  # error of a longer season, of that of a shorter one, from which on it is a season of its own
_CHANNELS = {"hour": 4, "weekday": 5, "year": 4}
_PERIODS = 3  # in the training part, so that a season can be found


def candidates(grid: Grid) -> tuple[int, ...]:
    """Steps of an hour, a day, a week and a year, as far as they are at least four, in ascending order.

    >>> candidates(Grid(1800.0)), candidates(Grid(_YEAR / 12, 1)), candidates(Grid(_WEEK))
    ((48, 336, 17532), (12,), (52,))
    """
    if grid.months:
        return (12 // grid.months,) if grid.months in (1, 2, 3) else ()
    return tuple(steps for period in (3600.0, _DAY, _WEEK, _YEAR) if (steps := round(period / grid.seconds)) >= 4)


def find_seasons(values: Sequence[NDArray[np.float64]], periods: Sequence[int]) -> tuple[int, ...]:
    """The periods that series repeat, ascending; a multiple counts only if it repeats better than what it is a multiple of.

    A period is one if the autocorrelation at it, of what is left when a moving mean over the period is taken away, is above 0.3
    in the median of the series, and if last season's values are a forecast at least 5 % better than those of the next shorter
    period that is one.

    Args:
        values: Of each series, (steps,), missing ones NaN: the training part.
        periods: Candidates, ascending.
    """
    found: list[int] = []
    error = np.inf
    for period in periods:
        long = [each for each in values if len(each) >= _PERIODS * period and np.nanstd(each) > 0]
        if not long or np.median([_autocorrelation(each, period) for each in long]) < _LEAST:
            continue
        own = float(np.median([naive_error(each, period) / np.nanstd(each) for each in long]))
        if own < _GAIN * error:
            found.append(period)
            error = own
    return tuple(found)


def naive_error(values: NDArray[np.float64], season: int) -> float:
    """Mean absolute difference of values a season apart: what MASE is scaled by (Hyndman & Koehler 2006, equation 3).

    Args:
        values: (steps,), missing ones NaN.
        season: Steps; 1 compares neighbours.

    Returns:
        1 where nothing can be compared or nothing changes, so that dividing by it does no harm.
    """
    differences = np.abs(values[season:] - values[:-season]) if len(values) > season else np.array([])
    known = differences[~np.isnan(differences)]
    return float(known.mean()) if len(known) and known.mean() > 0 else 1.0


def calendar_names(grid: Grid, spans: Sequence[int]) -> tuple[str, ...]:
    """What times are told by: hour, weekday, day of the year, each only if the training part has it twice or, a year, once.

    Args:
        grid: The steps.
        spans: Steps of each series' training part.
    """
    seconds = max(spans) * grid.seconds
    names = []
    if not grid.months and grid.seconds < _DAY and seconds >= 2 * _DAY:
        names.append("hour")
    if not grid.months and grid.seconds < _WEEK and seconds >= 2 * _WEEK:
        names.append("weekday")
    if grid.seconds < _YEAR / 2 and seconds >= 1.5 * _YEAR:
        names.append("year")
    return tuple(names)


def calendar(times: Any, names: Sequence[str]) -> NDArray[np.float32]:
    """Where each time lies: sine and cosine of the first harmonics of each cycle, and whether it is a weekend.

    Args:
        times: A `pandas.DatetimeIndex`.
        names: Of `calendar_names`.

    Returns:
        (steps, channels).
    """
    hour = np.asarray(times.hour) + np.asarray(times.minute) / 60 + np.asarray(times.second) / 3600
    columns: list[NDArray[Any]] = []
    if "hour" in names:
        columns += _harmonics(hour / 24, 2)
    if "weekday" in names:
        weekday = np.asarray(times.day_of_week)
        columns += [*_harmonics((weekday + hour / 24) / 7, 2), weekday >= 5]
    if "year" in names:
        columns += _harmonics((np.asarray(times.day_of_year) - 1 + hour / 24) / 365.25, 2)
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(times), 0), np.float32)


def calendar_channels(names: Sequence[str]) -> int:
    """How many channels `calendar` gives."""
    return sum(_CHANNELS[name] for name in names)


def _harmonics(phase: NDArray[Any], count: int) -> list[NDArray[Any]]:
    return [wave(2 * np.pi * i * phase) for i in range(1, count + 1) for wave in (np.sin, np.cos)]


def _autocorrelation(values: NDArray[np.float64], lag: int) -> float:
    """Of the values without their moving mean over `lag` steps; missing ones are left out."""
    known = ~np.isnan(values)
    sums, counts = (np.concatenate([[0.0], np.cumsum(each)]) for each in (np.where(known, values, 0.0), known))
    mean = (sums[lag:] - sums[:-lag]) / np.maximum(counts[lag:] - counts[:-lag], 1)
    rest = values[lag // 2 : lag // 2 + len(mean)] - mean
    rest = rest - np.nanmean(rest)
    products = rest[lag:] * rest[:-lag]
    power = np.nanmean(rest**2)
    return float(np.nanmean(products) / power) if power > 0 and (~np.isnan(products)).any() else 0.0
