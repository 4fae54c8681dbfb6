"""Batches of clips: cut or padded to one length, changed at random in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.audio import ClipSplit
from atrous.data.batches import ReadAhead
from atrous.data.sound import Samples

SHIFT = 0.1
"""Seconds that a clip begins earlier or later, at most."""
GAIN = 6.0
"""Decibels that a clip is louder or softer, at most."""
NOISE = (20.0, 50.0)
"""Decibels that white noise lies below a clip."""


class ClipBatches(ReadAhead):
    """Batches of (samples, labels), (b, length) float32 and (b,) int32, and of weights if classes have them.

    Args:
        split: The clips.
        batch_size: Clips a batch.
        length: Samples of an example.
        seed: Of order, places and changes, which depend on seed, epoch and clip alone; `None`: in order, cut in the middle,
            unchanged.
        augment: Any of the recipe's `AUGMENTATIONS`.
        class_weights: How much an example of each class counts.
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(
        self,
        split: ClipSplit,
        batch_size: int,
        length: int,
        seed: int | None = None,
        augment: Sequence[str] = (),
        class_weights: NDArray[np.float64] | None = None,
        prefetch: int | None = None,
    ) -> None:
        self.split, self.length, self.augment, self.class_weights = split, length, tuple(augment), class_weights
        super().__init__(len(split), batch_size, seed, prefetch)

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[Any, ...]:
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        samples = np.stack([padded(self._one(int(row), epoch), self.length) for row in rows])
        labels = self.split.labels[rows].astype(np.int32)
        if self.class_weights is None:
            return samples, labels
        return samples, labels, self.class_weights[labels].astype(np.float32)

    def _one(self, row: int, epoch: int) -> Samples:
        if self.shuffle_seed is None:
            return self.split.window(row, self.length)
        draw = np.random.default_rng((self.shuffle_seed, epoch, row))
        return changed(
            self.split.window(row, self.length, draw.random()), self.length, self.split.sample_rate, self.augment, draw
        )


def changed(samples: Samples, length: int, sample_rate: int, augment: Sequence[str], draw: np.random.Generator) -> Samples:
    """A clip with random changes; no longer than `length`."""
    if "shift" in augment:
        most = min(round(SHIFT * sample_rate), len(samples) // 4)
        by = int(draw.integers(-most, most + 1))
        samples = samples[-by:] if by < 0 else np.concatenate([np.zeros(by, np.float32), samples])[:length]
    if "gain" in augment:
        samples = samples * np.float32(10 ** (draw.uniform(-GAIN, GAIN) / 20))
    if "noise" in augment:
        level = float(np.sqrt(np.mean(np.square(samples)))) * 10 ** (-draw.uniform(*NOISE) / 20)
        samples = samples + draw.normal(0.0, level, len(samples)).astype(np.float32)
    return samples


def padded(samples: Samples, length: int) -> Samples:
    """(length,): zeros behind what is shorter."""
    if len(samples) >= length:
        return samples[:length]
    made = np.zeros(length, np.float32)
    made[: len(samples)] = samples
    return made
