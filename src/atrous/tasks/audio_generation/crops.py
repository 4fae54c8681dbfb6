"""Pieces of recordings as the network takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.batches import ReadAhead
from atrous.data.recordings import Recording, RecordingPart
from atrous.tasks.audio_generation.codes import Codes, compress, encode

Heard = NDArray[Any]


def piece(recording: Recording, first: int, last: int, head: str, classes: int) -> tuple[Heard, Codes]:
    """What is heard before each sample of a stretch, and the codes of the stretch.

    Args:
        recording: The recording.
        first: Its first sample.
        last: The one behind its last.
        head: `"categorical"` hears codes, (n,) int32; `"logistics"` samples on the mu-law curve, (n, 1) float32.
        classes: Number of codes.
    """
    before = recording.samples(max(0, first - 1), last)
    if first == 0:
        before = np.concatenate([np.zeros(1, np.float32), before])  # silence, as `generate` begins with
    codes = encode(before, classes)
    return (codes[:-1] if head == "categorical" else compress(before[:-1, None], classes)), codes[1:]


class CropBatches(ReadAhead):
    """Training batches: crops at places that depend on seed, epoch and batch alone.

    A batch is (heard, codes, weights): (b, crop) int32 or (b, crop, 1) float32, (b, crop) int32, (b, crop). Weights are 1, and
    0 behind the end of a file that is shorter. All samples count, from a crop's first on: what is before it isn't known to the
    network, as nothing is before a file's first sample. Longer files are cut from more often; their ends come as often as
    their middle.

    Args:
        part: The training part.
        crop: Samples of a crop.
        batch_size: Crops a batch.
        head: As for `piece`.
        classes: Number of codes.
        seed: With the epoch it determines the places.
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(
        self, part: RecordingPart, crop: int, batch_size: int, head: str, classes: int, seed: int, prefetch: int | None = None
    ) -> None:
        self.part, self.crop, self.head, self.classes, self.seed = part, crop, head, classes, seed
        lengths = np.array([len(each) for each in part.recordings], np.float64)
        self._shares = lengths / lengths.sum()
        super().__init__(len(part), batch_size, seed, prefetch)

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[Heard, Codes, NDArray[np.float32]]:
        count = min(self.batch_size, self.examples - index * self.batch_size)
        draw = np.random.default_rng((self.seed, epoch, index))
        shape = (count, self.crop)
        heard = np.zeros(shape, np.int32) if self.head == "categorical" else np.zeros((*shape, 1), np.float32)
        codes, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        for row, which in enumerate(draw.choice(len(self._shares), count, p=self._shares)):
            recording = self.part.recordings[which]
            room = len(recording) - self.crop
            # Drawn from half a crop before the file to half a crop before its end, and moved inside.
            first = int(np.clip(draw.integers(-(self.crop // 2), len(recording) - self.crop // 2 + 1), 0, max(0, room)))
            last = min(len(recording), first + self.crop)
            heard[row, : last - first], codes[row, : last - first] = piece(recording, first, last, self.head, self.classes)
            weights[row, : last - first] = 1
        return heard, codes, weights
