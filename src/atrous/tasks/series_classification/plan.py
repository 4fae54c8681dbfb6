"""What a recipe leaves open, decided by the training part: rates, stride, how values are scaled."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from atrous import schedules
from atrous.data.ts import Values
from atrous.tasks.series_classification.recipe import SeriesClassification

STEM = 7
"""Taps of the first convolution; more where its stride is larger."""
_STEPS = 256  # that the blocks work on, if nobody says otherwise
_BLOCKS = range(2, 9)
_LEVELS = 3.0  # times a series' own deviation that the levels of series may differ by
_LEAST = 1e-6  # of a deviation, relative to the mean: below is what rounding leaves of a constant


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Args:
        steps: Of the longest training series.
        stride: Of the first convolution.
        rates: Dilation rate of each block.
        field: Steps of the series that an output of the last block sees.
        per_case: Whether each series is brought to mean 0 and deviation 1.
        mean: Of each channel over all training series.
        deviation: Likewise; 1 of a constant.
    """

    steps: int
    stride: int
    rates: tuple[int, ...]
    field: int
    per_case: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The plan of which `to_json` gave the values."""
        lists: dict[str, Any] = {name: tuple(value) for name, value in values.items() if isinstance(value, (list, tuple))}
        return cls(**{**values, **lists})


def make(recipe: SeriesClassification, series: Sequence[Values]) -> Plan:
    """Decides what the recipe leaves open.

    Args:
        recipe: The choices.
        series: Of the training part, (steps, channels) each; missing values NaN.
    """
    steps = max(map(len, series))
    stride = recipe.stride or max(1, math.ceil(steps / _STEPS))
    rates = _rates(recipe, steps, stride)
    every = np.concatenate(series).astype(np.float64)
    known = ~np.isnan(every)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, every, 0).sum(axis=0) / count
    deviation = np.sqrt((np.where(known, every - mean, 0) ** 2).sum(axis=0) / count)
    deviation = np.where(deviation > _LEAST * np.maximum(np.abs(mean), _LEAST), deviation, 1.0)
    return Plan(
        steps=steps,
        stride=stride,
        rates=rates,
        field=field_of(rates, recipe.kernel_size, stride),
        per_case=recipe.normalize == "case" or (recipe.normalize == "auto" and _levels_differ(series)),
        mean=tuple(map(float, mean)),
        deviation=tuple(map(float, deviation)),
    )


def stem_taps(stride: int) -> int:
    """Taps of the first convolution: each step is seen twice."""
    return max(STEM, 2 * stride + 1)


def field_of(rates: Sequence[int], kernel_size: int, stride: int) -> int:
    """Steps of the series that an output of the last block sees."""
    twice = [rate for rate in rates for _ in range(2)]
    kernels, strides = [stem_taps(stride), *[kernel_size] * len(twice)], [stride, *[1] * len(twice)]
    return schedules.field_size(kernels, [1, *twice], strides)


def _rates(recipe: SeriesClassification, steps: int, stride: int) -> tuple[int, ...]:
    if len(recipe.rates) > 1 or (recipe.rates and recipe.rates != (1,)):
        return recipe.rates
    blocks = recipe.blocks or next(
        (n for n in _BLOCKS if field_of(schedules.powers_of_two(n), recipe.kernel_size, stride) >= steps), _BLOCKS[-1]
    )
    return (1,) * blocks if recipe.rates else schedules.powers_of_two(blocks)


def _levels_differ(series: Sequence[Values]) -> bool:
    """Whether levels differ far more between series than values in one, in most channels."""
    means, deviations = [], []
    for each in series:
        known = ~np.isnan(each)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, each, 0).sum(axis=0, dtype=np.float64) / count
        means.append(mean)
        deviations.append(np.sqrt((np.where(known, each - mean, 0) ** 2).sum(axis=0) / count))
    between, within = np.std(means, axis=0), np.median(deviations, axis=0)
    return bool(np.median(between > _LEVELS * within) > 0.5 and np.median(within) > 0)
