"""Sequences in batches: put together by their lengths, filled up behind their end, which no causal network sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.batches import ReadAhead

_MULTIPLE = 32  # of which padded lengths are: few shapes are to be compiled
_NEAR = 0.1  # by how much lengths may differ in a batch at random, so that batches aren't the same in every epoch

Array = NDArray[Any]
Rows = Sequence[Array] | Array
"""One array a sequence; of equal shapes as one array, too."""


@dataclass(frozen=True, eq=False)
class SequencePart:
    """A part of a data set.

    Args:
        inputs: (steps, channels) of each sequence.
        targets: What is to be said of it: a value or a row a step, or one row for all.
        names: What each is called.
        each_step: Whether a target has steps, as the input has.
    """

    inputs: Rows
    targets: Rows
    names: Sequence[str]
    each_step: bool = True
    lengths: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", np.array([len(each) for each in self.inputs], np.int64))

    def __len__(self) -> int:
        return len(self.inputs)

    def read(self, rows: Sequence[int] | NDArray[np.int64], masked: bool = False) -> tuple[Array, ...]:
        """A batch: inputs, targets and, if masked, weights (b, steps) that are 0 behind the end of a sequence.

        Args:
            rows: Which sequences.
            masked: Whether lengths may differ; then all are filled up to a multiple of 32 steps.
        """
        inputs, targets = ([part[int(row)] for row in rows] for part in (self.inputs, self.targets))
        if not masked:
            return np.stack(inputs).astype(np.float32), np.stack(targets)
        steps = -(-int(self.lengths[rows].max()) // _MULTIPLE) * _MULTIPLE
        weights = (np.arange(steps) < self.lengths[rows][:, None]).astype(np.float32)
        filled = _filled(targets, steps) if self.each_step else np.stack(targets)
        return _filled(inputs, steps).astype(np.float32), filled, weights


def _filled(arrays: Sequence[Array], steps: int) -> Array:
    found = np.zeros((len(arrays), steps, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, each in zip(found, arrays, strict=True):
        row[: len(each)] = each
    return found


class SequenceBatches(ReadAhead):
    """Training batches: (inputs, targets), or with weights behind them where lengths differ.

    A batch has sequences of about one length; which, and the order of the batches, depend on seed and epoch alone. A smaller
    batch comes last.

    Args:
        part: The training part.
        batch_size: Sequences a batch.
        seed: With the epoch it determines the order.
        masked: Whether lengths may differ.
        dtype: Of the targets.
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(
        self, part: SequencePart, batch_size: int, seed: int, masked: bool, dtype: Any, prefetch: int | None = None
    ) -> None:
        self.part, self.dtype, self.masked = part, dtype, masked
        super().__init__(len(part), batch_size, seed, prefetch)
        self.lengths_vary = masked

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Shuffled; where lengths differ, with those of about one length beside each other."""
        shuffled = super().order(epoch)
        if not self.masked or self.shuffle_seed is None:
            return shuffled
        draw = np.random.default_rng((self.shuffle_seed, epoch, 1))
        near = self.part.lengths[shuffled] * draw.uniform(1 - _NEAR, 1 + _NEAR, len(shuffled))
        ranked = shuffled[np.argsort(near, kind="stable")]
        rest = len(ranked) % self.batch_size
        start = int(draw.integers(len(ranked) // self.batch_size + 1)) * self.batch_size
        full = np.concatenate([ranked[:start], ranked[start + rest :]]).reshape(-1, self.batch_size)
        return np.concatenate([draw.permutation(full).ravel(), ranked[start : start + rest]])

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[Array, ...]:
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        inputs, targets, *weights = self.part.read(rows, self.masked)
        return inputs, targets.astype(self.dtype), *weights


def outputs(model: keras.Model, part: SequencePart, steps: int = 16384) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """What a model says of each sequence of a part, without what was filled up: its index, and (steps, outputs) or (outputs,).

    Args:
        model: Causal: no output may depend on a later input.
        part: The sequences; those of one length are computed together, the shortest first.
        steps: How many are computed at once, about.
    """
    order = np.argsort(part.lengths, kind="stable")
    masked = part.each_step and len(set(part.lengths.tolist())) > 1
    start = 0
    while start < len(order):
        count = max(1, min(len(order) - start, steps // int(part.lengths[order[min(start + 255, len(order) - 1)]])))
        rows = order[start : start + min(count, 256)]
        said = np.asarray(model.predict_on_batch(part.read(rows, masked)[0]), np.float64)
        for row, each in zip(rows, said, strict=True):
            yield int(row), each[: part.lengths[row]] if part.each_step else each
        start += len(rows)
