"""What forecasts are worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def mase(actual: Array, median: Array, scale: float) -> float | None:
    """Mean absolute scaled error (Hyndman & Koehler 2006): mean |y − ŷ| over what last season's values miss by in training.

    Args:
        actual: Any shape, missing values NaN.
        median: The same shape.
        scale: `atrous.data.seasons.naive_error` of the training part.

    Returns:
        `None` if every value is missing.
    """
    return _mean(np.abs(actual - median) / scale)


def smape(actual: Array, median: Array) -> float | None:
    """Symmetric error, 0..2: mean 2·|y − ŷ| / (|y| + |ŷ|), where both are 0 counted as 0 (Makridakis & Hibon 2000, the M3)."""
    size = np.abs(actual) + np.abs(median)
    return _mean(
        np.where(size > 0, 2 * np.abs(actual - median) / np.where(size > 0, size, 1), np.where(np.isnan(size), np.nan, 0))
    )


def pinball(actual: Array, forecast: Array, quantile: float) -> float | None:
    """Mean of max(q·(y − ŷ), (q − 1)·(y − ŷ)), in the values' unit (Koenker & Bassett 1978)."""
    error = actual - forecast
    return _mean(np.maximum(quantile * error, (quantile - 1) * error))


def coverage(actual: Array, lower: Array, upper: Array) -> float | None:
    """Share of the values between two quantiles, these included."""
    return _mean(np.where(np.isnan(actual), np.nan, (actual >= lower) & (actual <= upper)))


def mean_of(values: Sequence[float | None]) -> float | None:
    """Mean of what is known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _mean(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
