"""What WaveNet is measured against: linear predictors of order 16, in bits of the same codes (see `codes`).

A linear predictor says x̂(t) = Σ aᵢ·x(t − i), i = 1 … 16, as speech coders do (Atal & Hanauer 1971, JASA 50). What it leaves
over is taken for Gaussian or Laplacian around 0, whichever costs less, and its mass over a code's bin is the code's
probability. It hears samples of 16 bits, not codes. Three of them, from the plainest to what codecs do:

- *one for all*: coefficients by least squares over the training part, and one scale.
- *from the past*: every 2 ms least squares over what came before, exponentially weighted (backward adaptation, as in ITU-T
  G.728), and a scale from the last residuals.
- *each frame its own*: least squares over the very frame that is coded, and its own scale (forward adaptation). That is no
  prediction but for what it costs: 7 bits for each of these 17 numbers are counted, though they aren't rounded.

How long these pasts and frames are, which distribution it is, and a factor of the scale are chosen on the training part. A
thousandth of the probability is spread over all codes, so that no surprise costs more than 18 bits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from atrous.data.recordings import FULL_SCALE, Recording
from atrous.tasks.audio_generation.codes import Codes, Floats, bounds, encode

ORDER = 16
ESCAPE = 1e-3
"""Share of the probability that is spread evenly over all codes."""
SIDE = 7.0 * (ORDER + 1)
"""Bits of what is told of a frame."""
DISTRIBUTIONS = ("laplace", "gauss")
_SPANS = (0.005, 0.010, 0.020, 0.040)  # seconds of the past
_FRAMES = (0.020, 0.040, 0.080)
_SCALED = (0.004, 0.008, 0.016, 0.032)  # seconds of residuals that the scale is of
_FACTORS = (0.8, 1.0, 1.25)
_STEP = 0.002  # seconds between adaptations
_CHOSEN_ON = 20.0  # seconds of the training part
_RIDGE = 1e-5  # of the mean square: more than what 16 bits round, less than what is to be predicted
_LEAST = 0.5 / FULL_SCALE  # of a scale


@dataclass(frozen=True)
class Predicted:
    """What a predictor reaches.

    Args:
        bits_per_sample: Over all samples.
        files: Of each recording.
    """

    bits_per_sample: float
    files: tuple[float, ...]


@dataclass(frozen=True)
class Guess:
    """What a predictor says of every sample of a recording.

    Args:
        mean: (n,).
        scale: (n,) mean absolute residual.
        side: Bits that are told beside, in all.
    """

    mean: Floats
    scale: Floats
    side: float = 0.0


def compared(
    trained: Sequence[Recording], recordings: Sequence[Recording], sample_rate: int, classes: int
) -> dict[str, Predicted]:
    """What each predictor reaches, by its name.

    Args:
        trained: The training part.
        recordings: What is coded.
        sample_rate: In Hz.
        classes: Number of mu-law codes.
    """
    prior = moments_of(trained)
    weights = solved(prior)
    tried = _some(trained, round(_CHOSEN_ON * sample_rate))
    residual = sum(float(np.abs(residual_of(each, weights)).sum()) for each in tried) / sum(map(len, tried))

    def samples(seconds: float) -> int:
        return max(1, round(seconds * sample_rate))

    makers: dict[str, list[Callable[[Recording], Guess]]] = {
        "one for all": [lambda each: one_for_all(each, weights, residual)],
        "from the past": [
            lambda each, span=span, scaled=scaled: from_the_past(  # type: ignore[misc]
                each, prior, samples(span), samples(_STEP), samples(scaled), residual
            )
            for span, scaled in itertools.product(_SPANS, _SCALED)
        ],
        "each frame its own": [lambda each, frame=frame: own(each, samples(frame)) for frame in _FRAMES],  # type: ignore[misc]
    }
    found = {}
    for name, each in makers.items():
        best = math.inf
        for make in each:
            guesses = [make(recording) for recording in tried]
            for distribution, factor in itertools.product(DISTRIBUTIONS, _FACTORS):
                cost = sum(_bits(r, g, distribution, factor, classes) for r, g in zip(tried, guesses, strict=True))
                if cost < best:
                    best, chosen = cost, (make, distribution, factor)
        make, distribution, factor = chosen
        costs = [_bits(recording, make(recording), distribution, factor, classes) for recording in recordings]
        lengths = [len(recording) for recording in recordings]
        found[name] = Predicted(sum(costs) / sum(lengths), tuple(c / n for c, n in zip(costs, lengths, strict=True)))
    return found


def lagged(samples: np.ndarray) -> Floats:
    """(n, 17): each sample, and the 16 before it, the nearest first; before the first are zeros."""
    return sliding_window_view(np.pad(samples.astype(np.float64), (ORDER, 0)), ORDER + 1)[:, ::-1]


def one_for_all(recording: Recording, weights: Floats, residual: float) -> Guess:
    """By the same coefficients and scale everywhere."""
    mean = lagged(recording.samples())[:, 1:] @ weights
    return Guess(mean, np.full(len(mean), residual))


def from_the_past(recording: Recording, prior: Floats, span: int, step: int, scaled: int, residual: float) -> Guess:
    """By coefficients of the past.

    Args:
        recording: The recording.
        prior: Moments of the training part, (17, 17): what is known before the first sample, with the weight of one.
        span: Samples after which what is past counts 1/e.
        step: Samples between adaptations.
        scaled: Samples whose residuals make the scale.
        residual: Mean absolute residual, before there is any.
    """
    z = lagged(recording.samples())
    steps = -(-len(z) // step)
    blocks = np.pad(z, [(0, steps * step - len(z)), (0, 0)]).reshape(steps, step, ORDER + 1)
    sums = blocks.transpose(0, 2, 1) @ blocks
    known, past, kept = np.empty_like(sums), prior.copy(), math.exp(-step / span)
    for i, each in enumerate(sums):
        known[i] = past
        past = kept * past + each
    mean = np.einsum("sti,si->st", blocks[:, :, 1:], solved(known)).reshape(-1)[: len(z)]
    return Guess(mean, _scale(np.abs(z[:, 0] - mean), scaled, residual))


def own(recording: Recording, frame: int) -> Guess:
    """By coefficients of the very frame, which are told beside."""
    z = lagged(recording.samples())
    frames = -(-len(z) // frame)
    blocks = np.pad(z, [(0, frames * frame - len(z)), (0, 0)]).reshape(frames, frame, ORDER + 1)
    mean = np.einsum("sti,si->st", blocks[:, :, 1:], solved(blocks.transpose(0, 2, 1) @ blocks))
    lengths = np.minimum(frame, len(z) - frame * np.arange(frames))
    scales = np.abs(blocks[:, :, 0] - mean).sum(axis=1) / lengths + _LEAST
    return Guess(mean.reshape(-1)[: len(z)], np.repeat(scales, frame)[: len(z)], SIDE * frames)


def bits(samples: np.ndarray, guess: Guess, distribution: str, classes: int) -> Floats:
    """Bits of the code of each sample, (n,), what is told beside left out.

    Args:
        samples: (n,).
        guess: What was said.
        distribution: "laplace" or "gauss".
        classes: Number of codes.
    """
    codes = encode(samples, classes)
    low, high = bounds(classes)
    mass = _mass(distribution, (low[codes] - guess.mean) / guess.scale, (high[codes] - guess.mean) / guess.scale)
    return -np.log2((1 - ESCAPE) * mass + ESCAPE / classes)


def _bits(recording: Recording, guess: Guess, distribution: str, factor: float, classes: int) -> float:
    scaled = Guess(guess.mean, guess.scale * factor)
    return float(bits(recording.samples(), scaled, distribution, classes).sum()) + guess.side


def _mass(distribution: str, low: Floats, high: Floats) -> Floats:
    """Between two places in units of the mean absolute value; on the right side of 0 mirrored, so that no digits are lost."""
    right = low > 0
    low, high = np.where(right, -high, low), np.where(right, -low, high)
    below = _laplace if distribution == "laplace" else _gauss
    return below(high) - below(low)


def _laplace(x: Floats) -> Floats:
    tail = np.exp(-np.abs(x)) / 2
    return np.where(x < 0, tail, 1 - tail)


def _gauss(x: Floats) -> Floats:
    # The mean absolute value of a Gaussian is √(2/π) of its deviation.
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(-x / math.sqrt(math.pi)), np.float64) / 2


def moments_of(recordings: Sequence[Recording]) -> Floats:
    """Mean products of each sample and those before it, (17, 17)."""
    sums = np.zeros((ORDER + 1, ORDER + 1))
    for each in recordings:
        z = lagged(each.samples())
        sums += z.T @ z
    return sums / sum(map(len, recordings))


def solved(moments: Floats) -> Floats:
    """Coefficients of (…, 17, 17) moments: (…, 16)."""
    inside = moments[..., 1:, 1:]
    level = np.trace(inside, axis1=-2, axis2=-1)[..., None, None] / ORDER
    ridge = (_RIDGE * level + _LEAST**2) * np.eye(ORDER)
    return np.asarray(np.linalg.solve(inside + ridge, moments[..., 1:, :1])[..., 0])


def residual_of(recording: Recording, weights: Floats) -> Floats:
    """What fixed coefficients leave over, (n,)."""
    z = lagged(recording.samples())
    return np.asarray(z[:, 0] - z[:, 1:] @ weights)


def _scale(residuals: Floats, count: int, first: float) -> Floats:
    """Mean of the last residuals before each sample; before there are any, `first`, which counts as two."""
    sums = np.concatenate([[0.0], np.cumsum(residuals)])
    now = np.arange(len(residuals))
    start = np.maximum(0, now - count)
    return np.asarray((sums[now] - sums[start] + 2 * first) / (now - start + 2) + _LEAST)


def _some(recordings: Sequence[Recording], samples: int) -> list[Recording]:
    """Evenly spread ones, about as long in all."""
    total = sum(map(len, recordings))
    count = max(1, min(len(recordings), math.ceil(len(recordings) * samples / total)))
    return [recordings[i] for i in np.unique(np.linspace(0, len(recordings) - 1, count).round().astype(int))]


__all__ = ["Codes", "Guess", "Predicted", "bits", "compared", "from_the_past", "lagged", "one_for_all", "own"]
