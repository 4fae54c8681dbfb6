"""The one measure of everything here: bits of the mu-law code of the next sample.

A sound is a sequence of mu-law codes (ITU-T G.711's curve, 256 codes by default). Whatever predicts gives each code a
probability, given the samples before it: a categorical head says it; a density (a mixture of logistics, on the mu-law curve, or
what a linear predictor leaves over, on none) is integrated over the code's bin, which is all samples that are rounded to the
code, and the outermost bins reach to infinity. **Bits per sample** are the mean of −log₂ of the probability of the code that
came, over every sample of every file, the first one included, before which there was silence. So heads, and predictors without
a network, are measured in one unit: an ideal coder would need as many bits.

What is heard is not the same: the categorical head hears codes, the mixture and the linear predictors hear samples of 16 bits,
which tell a little more.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@functools.cache
def edges(classes: int) -> Floats:
    """Samples at which codes change, (classes − 1,), ascending: halfway between two codes on the mu-law curve."""
    mu = classes - 1
    compressed = (2 * np.arange(1, classes) - 1) / mu - 1
    return np.asarray(np.sign(compressed) * np.expm1(np.abs(compressed) * np.log1p(mu)) / mu)


def bounds(classes: int) -> tuple[Floats, Floats]:
    """Where the bin of each code begins and ends, (classes,) each; the outermost reach to −∞ and ∞."""
    inside = edges(classes)
    return np.concatenate([[-np.inf], inside]), np.concatenate([inside, [np.inf]])


def encode(samples: ArrayLike, classes: int) -> Codes:
    """What `atrous.models.wavenet.mu_law_encode` gives, by looking up bins: in NumPy, for sounds of any length."""
    return np.searchsorted(edges(classes), np.asarray(samples), side="right").astype(np.int32)


def compress(samples: ArrayLike, classes: int) -> NDArray[np.float32]:
    """What `atrous.models.wavenet.mu_law_compress` gives, in NumPy."""
    x = np.clip(np.asarray(samples, np.float32), -1, 1)
    return np.asarray(np.sign(x) * np.log1p((classes - 1) * np.abs(x)) / np.log(np.float32(classes)), np.float32)
