"""How well two numbers are added."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.tasks.sequence_modelling.sequences import SequencePart, outputs

WITHOUT = 1 / 6
"""Mean squared error of always saying 1: the variance of two numbers from U[0, 1]. The paper says "about 0.1767"."""


def evaluate(model: keras.Model, part: SequencePart) -> dict[str, Any]:
    """Figures of a part.

    Args:
        model: As `sequence_modelling.network.build` makes it.
        part: The sequences.

    Returns:
        `examples`, `mse` (mean squared error), the same as `loss`, `mae` (mean absolute error), `worst` (the largest error),
        and `always_one` (the mean squared error of always saying 1).
    """
    said, true = sums(model, part)
    error = said - true
    mse = float(np.mean(error**2))
    return {
        "examples": len(part),
        "loss": mse,
        "mse": mse,
        "mae": float(np.abs(error).mean()),
        "worst": float(np.abs(error).max()),
        "always_one": float(np.mean((1 - true) ** 2)),
    }


def sums(model: keras.Model, part: SequencePart) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is said of each sequence, and what its sum is: (n,) each."""
    said = np.empty(len(part))
    for row, value in outputs(model, part):
        said[row] = value[0]
    return said, np.array([float(target[0]) for target in part.targets])
