"""Clips on a page: what is shown of them, and players that need no file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.audio import ClipSplit
from atrous.data.sound import Samples, resample
from atrous.models.audio import spectrogram_layer
from atrous.tasks.audio_classification.batches import padded

HIGHEST = 16000
"""Hz of what is embedded, at most."""
LONGEST = 5.0
"""Seconds of what is embedded, at most."""
_PEAK = 0.7  # of full scale: all are as loud
_FLOOR = 1e-3  # of powers at a level of 1, as in the network


@dataclass(frozen=True)
class Shown:
    """A part of the data as `report.samples.choose` takes it: examples are padded clips, with a leading axis."""

    split: ClipSplit
    length: int

    def __len__(self) -> int:
        return len(self.split)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Of the clips."""
        return self.split.labels

    def images(self, indices: Any) -> Samples:
        """(n, length) samples."""
        return np.stack([padded(self.split.window(int(i), self.length), self.length) for i in indices])

    def name(self, index: int) -> str:
        """Of the clip."""
        return self.split.name(index)


def player(samples: Samples, sample_rate: int) -> str:
    """A clip as a data URI: FLAC of 16 bits, at one loudness, without its padding; of a long one the first five seconds."""
    import soundfile

    heard = trimmed(samples)[: round(LONGEST * sample_rate)]
    rate = min(sample_rate, HIGHEST)
    heard = resample(heard, sample_rate, rate)
    heard = heard - heard.mean()
    heard = heard * (_PEAK / max(float(np.abs(heard).max()), 1e-9))
    buffer = io.BytesIO()
    soundfile.write(buffer, heard, rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def log_mel(samples: Samples, sample_rate: int, mels: int) -> NDArray[np.float32]:
    """What a spectrogram shows of a clip, (frames, mels): logarithms of powers, without the padding."""
    heard = trimmed(samples)
    heard = heard - heard.mean()
    heard = heard / max(float(np.sqrt(np.mean(np.square(heard)))), 1e-9)
    least = 2 * sample_rate // 20  # shorter ones can't be mirrored at their ends
    powers = spectrogram_layer(sample_rate, mels)(padded(heard, max(least, len(heard)))[None])
    found: NDArray[np.float32] = np.log(np.maximum(keras.ops.convert_to_numpy(powers)[0].T, 0) + _FLOOR)
    return found


def trimmed(samples: Samples) -> Samples:
    """A clip without the zeros behind it."""
    there = np.flatnonzero(samples)
    return samples[: int(there[-1]) + 1] if len(there) else samples[:1]


def mel_hertz(sample_rate: int, mels: int) -> NDArray[np.float64]:
    """The middle of each band in Hz, as `keras.layers.MelSpectrogram` places them: evenly in 2595·log10(1 + f / 700)."""
    edges = 2595 * np.log10(1 + np.array([20.0, sample_rate / 2]) / 700)
    middles: NDArray[np.float64] = 700 * (10 ** (np.linspace(edges[0], edges[1], mels + 2)[1:-1] / 2595) - 1)
    return middles
