"""Series as the network takes them: filled up to one length, changed at random in training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.batches import ReadAhead
from atrous.data.ts import Values, filled
from atrous.tasks.series_classification.data import SeriesCases
from atrous.tasks.series_classification.plan import Plan

_JITTER = 0.05  # deviations of noise
_SCALE = 0.1  # deviation of the factor
_WARP = 0.1  # of the series that a step is moved by
_CROP = 0.8  # of the series that is left, at least
_SIZE = 256  # series that are predicted together

Array = NDArray[np.float32]


def padded(series: Sequence[Values], steps: int, stride: int = 1) -> Array:
    """Series of one length: (n, steps, channels + 1), the last channel 1 where the series is, 0 behind its end.

    Args:
        series: (steps, channels) each, none missing.
        steps: At least; more if a series is longer, and as many as are a multiple of the stride.
        stride: Of the network.
    """
    length = -(-max(steps, *map(len, series)) // stride) * stride
    found = np.zeros((len(series), length, series[0].shape[1] + 1), np.float32)
    for row, each in zip(found, series, strict=True):
        row[: len(each), :-1] = each
        row[: len(each), -1] = 1
    return found


class SeriesBatches(ReadAhead):
    """Training batches, whose order and changes depend on seed, epoch and batch alone.

    A batch is (series, labels) or (series, labels, weights): see `padded`; (b,) int32; (b,) float32.

    Args:
        part: The training part.
        plan: Steps, stride, scales.
        batch_size: Series a batch.
        seed: With the epoch it determines order and changes.
        augment: What is changed.
        class_weights: How much an example of each class counts.
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(
        self,
        part: SeriesCases,
        plan: Plan,
        batch_size: int,
        seed: int,
        augment: Sequence[str] = (),
        class_weights: NDArray[np.float64] | None = None,
        prefetch: int | None = None,
    ) -> None:
        self.plan, self.labels, self.passes = plan, part.labels, part.passes
        self.series = [filled(each) for each in part.series]
        self.augment = [name for name in _CHANGES if name in augment]
        self.class_weights = class_weights
        self.longest = max(plan.steps, *map(len, self.series))
        super().__init__(len(part), batch_size, seed, prefetch)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """(examples,) indices into the cases: all of them, in a random order, then all again."""
        draw, n = np.random.default_rng((self.shuffle_seed or 0, epoch)), len(self.series)
        return np.concatenate([draw.permutation(n) for _ in range(self.passes)])

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[NDArray[Any], ...]:
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        draw = np.random.default_rng((self.shuffle_seed or 0, epoch, index))
        deviation = np.array(self.plan.deviation, np.float32)
        found = []
        for row in rows:
            series = self.series[row]
            for name in self.augment:
                series = _CHANGES[name](series, deviation, draw)
            found.append(series)
        labels = self.labels[rows].astype(np.int32)
        batch = padded(found, self.longest, self.plan.stride), labels
        return batch if self.class_weights is None else (*batch, self.class_weights[labels].astype(np.float32))


def probabilities(model: Any, series: Sequence[Values], plan: Plan, batch_size: int = _SIZE) -> Array:
    """What a model says of series: (n, classes).

    Args:
        model: As `network.build` makes it.
        series: (steps, channels) each; missing values NaN.
        plan: Steps, stride.
        batch_size: Series that are computed together.
    """
    whole = [filled(each) for each in series]
    longest, size = max(plan.steps, *map(len, whole)), min(batch_size, len(whole))
    said = []
    for start in range(0, len(whole), size):
        some = whole[start : start + size]
        x = padded(some + [some[-1]] * (size - len(some)), longest, plan.stride)  # one size, one graph
        said.append(np.asarray(model.predict_on_batch(x), np.float32)[: len(some)])
    return np.concatenate(said)


# ---- random changes --------------------------------------------------------------------------------------------------------


def _jittered(series: Array, deviation: Array, draw: np.random.Generator) -> Array:
    """With noise."""
    return series + _JITTER * deviation * draw.standard_normal(series.shape, np.float32)


def _scaled(series: Array, deviation: Array, draw: np.random.Generator) -> Array:
    """With each channel larger or smaller around its mean."""
    mean = series.mean(axis=0)
    factors = 1 + _SCALE * draw.standard_normal(series.shape[1], np.float32)
    found: Array = mean + (series - mean) * factors
    return found


def _warped(series: Array, deviation: Array, draw: np.random.Generator) -> Array:
    """Faster here and slower there: read at places that one wave moves, with both ends kept."""
    n = len(series)
    if n < 4:
        return series
    at = np.linspace(0, 1, n)
    waves = int(draw.integers(1, 4))
    size = _WARP / waves * draw.uniform(-1, 1)
    places = (n - 1) * np.clip(at + size * np.sin(np.pi * waves * at), 0, 1)
    return np.stack([np.interp(places, np.arange(n), channel) for channel in series.T], axis=1).astype(np.float32)


def _cropped(series: Array, deviation: Array, draw: np.random.Generator) -> Array:
    """A part of it."""
    n = len(series)
    length = int(draw.integers(max(2, round(_CROP * n)), n + 1)) if n > 2 else n
    first = int(draw.integers(0, n - length + 1))
    return series[first : first + length]


_CHANGES: dict[str, Callable[[Array, Array, np.random.Generator], Array]] = {
    "jitter": _jittered,
    "scale": _scaled,
    "warp": _warped,
    "crop": _cropped,
}
