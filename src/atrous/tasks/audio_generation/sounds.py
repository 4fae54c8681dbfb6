"""Sounds that a network makes, and what they are compared by: spectra, levels, pitch."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from atrous.data.recordings import Recording
from atrous.data.sound import Samples
from atrous.streaming.generation import generate
from atrous.streaming.sampling import as_sound, kind_of
from atrous.tasks.audio_generation import predictor
from atrous.tasks.audio_generation.codes import Floats

SECONDS = 3.0
"""Of each sound that is made."""
SOUNDS = 3
"""That are made."""
BANDS = 24
"""Of the mel scale, that spectra are compared in."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_WINDOW, _HOP = 0.032, 0.008  # seconds of a frame, and between frames
_FLOOR = -100.0  # dB of full scale
_PITCHES = (60.0, 400.0)  # Hz
_VOICED = 0.6  # of the autocorrelation at its peak


def made(model: keras.Model, sample_rate: int, seed: int, seconds: float = SECONDS, sounds: int = SOUNDS) -> list[Samples]:
    """What a network says after silence, (n,) each; the first is what `atrous generate --seed` writes."""
    kind = kind_of(model)
    drawn = generate(model, max(1, round(seconds * sample_rate)), batch_size=sounds, seed=seed)
    return [np.asarray(each[:, 0], np.float32) for each in as_sound(drawn, kind)]


def white_noise(count: int, level: float, seed: int) -> Samples:
    """As loud as the recordings, and nothing else of them."""
    return np.asarray(np.random.default_rng(seed).normal(0, level, count), np.float32)


def predictor_noise(trained: Sequence[Recording], count: int, seed: int) -> Samples:
    """What the linear predictor of the whole training part says after silence: Laplacian noise, through its filter."""
    weights = predictor.solved(predictor.moments_of(trained))
    scale = np.mean([np.abs(predictor.residual_of(each, weights)).mean() for each in trained[:20]])
    drive = np.random.default_rng(seed).laplace(0, scale, count)
    sound = np.zeros(count + predictor.ORDER)
    for t in range(count):
        sound[t + predictor.ORDER] = sound[t : t + predictor.ORDER][::-1] @ weights + drive[t]
    return np.asarray(sound[predictor.ORDER :], np.float32)


def spectrogram(samples: Samples, sample_rate: int) -> Floats:
    """Levels in dB, (frames, window/2 + 1): 32 ms every 8 ms, Hann's window; 0 dB is a sine of full scale."""
    window = max(16, round(_WINDOW * sample_rate))
    hop = max(1, round(_HOP * sample_rate))
    padded = np.pad(samples.astype(np.float64), (0, max(0, window - len(samples))))
    frames = sliding_window_view(padded, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=-1)) ** 2 / (window / 4) ** 2
    return np.asarray(np.maximum(_FLOOR, 10 * np.log10(power + 1e-12)))


def band_levels(samples: Samples, sample_rate: int) -> Floats:
    """Levels in dB, (frames, bands), in bands of the mel scale from 50 Hz to half the sample rate."""
    power = 10 ** (spectrogram(samples, sample_rate) / 10)
    hertz = np.linspace(0, sample_rate / 2, power.shape[1])
    of_band = np.clip(np.searchsorted(band_edges(sample_rate), hertz, side="right") - 1, -1, BANDS)
    sums = [power[:, of_band == band].sum(axis=1) for band in range(BANDS)]
    return np.asarray(10 * np.log10(np.stack(sums, axis=1) + 1e-10))


def band_edges(sample_rate: int) -> Floats:
    """In Hz, (bands + 1,)."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (50.0, sample_rate / 2))
    mel = np.linspace(low, high, BANDS + 1)
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def average_spectrum(sounds: Sequence[Samples], sample_rate: int) -> Floats:
    """Long-term average spectrum, (bands,): the mean power of each band in dB, less that of all together."""
    power = 10 ** (np.concatenate([band_levels(each, sample_rate) for each in sounds]) / 10)
    mean = power.mean(axis=0)
    return np.asarray(10 * np.log10(mean / mean.sum()))


def spectrum_distance(sounds: Sequence[Samples], real: Sequence[Samples], sample_rate: int) -> float:
    """Root mean square difference of the long-term average spectra, in dB."""
    difference = average_spectrum(sounds, sample_rate) - average_spectrum(real, sample_rate)
    return float(np.sqrt(np.mean(difference**2)))


def timbre_distance(sounds: Sequence[Samples], real: Sequence[Samples], sample_rate: int) -> float:
    """How far apart the levels of each band are as they come and go: mean difference of their quantiles, in dB.

    Unlike the average spectrum, which a stationary hiss can have, these know that speech has pauses, vowels and consonants.
    """
    ours, theirs = (
        np.quantile(np.concatenate([band_levels(each, sample_rate) for each in many]), QUANTILES, axis=0)
        for many in (sounds, real)
    )
    return float(np.abs(ours - theirs).mean())


def compare(
    model: keras.Model, trained: Sequence[Recording], held: Sequence[Recording], sample_rate: int, seed: int
) -> dict[str, dict[str, float]]:
    """Distances of what the network makes, of noises, and of the training part, to the held-out part, in dB.

    Returns:
        By name "network", "linear predictor", "white noise", "training part": `spectrum` and `timbre`.
    """
    real = [each.samples() for each in held]
    count = round(SECONDS * SOUNDS * sample_rate)
    level = float(np.sqrt(np.mean(np.concatenate(real) ** 2)))
    some = trained[:: max(1, len(trained) // 20)]
    candidates: dict[str, list[Samples]] = {
        "network": made(model, sample_rate, seed),
        "linear predictor": [predictor_noise(trained, count, seed)],
        "white noise": [white_noise(count, level, seed)],
        "training part": [each.samples() for each in some],
    }
    return {
        name: {
            "spectrum": spectrum_distance(sounds, real, sample_rate),
            "timbre": timbre_distance(sounds, real, sample_rate),
        }
        for name, sounds in candidates.items()
    }


def pitch(sounds: Sequence[Samples], sample_rate: int) -> float | None:
    """Median pitch in Hz of frames of 50 ms that are voiced: whose autocorrelation has a high peak; `None` if none is."""
    window, hop = round(0.05 * sample_rate), round(0.025 * sample_rate)
    shortest, longest = (max(1, int(sample_rate / hertz)) for hertz in reversed(_PITCHES))
    found = []
    for each in sounds:
        if len(each) < window:
            continue
        frames = sliding_window_view(each.astype(np.float64), window)[::hop]
        frames = frames[np.abs(frames).max(axis=1) > 0.02]
        frames = frames - frames.mean(axis=1, keepdims=True)
        spectrum = np.fft.rfft(frames, 2 * window, axis=1)
        correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, : longest + 1]
        correlation = correlation / np.maximum(correlation[:, :1], 1e-12) * (window / (window - np.arange(longest + 1)))
        lags = shortest + correlation[:, shortest:].argmax(axis=1)
        peaks = correlation[np.arange(len(lags)), lags]
        found += (sample_rate / lags[peaks > _VOICED]).tolist()
    return float(np.median(found)) if found else None


def player(samples: Samples, sample_rate: int) -> str:
    """A sound as a data URI: FLAC of 16 bits, as loud as it is."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
