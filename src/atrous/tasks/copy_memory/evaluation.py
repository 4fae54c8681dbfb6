"""How many digits a network remembers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.tasks.copy_memory.recipe import DIGITS
from atrous.tasks.sequence_modelling.sequences import SequencePart, outputs


def evaluate(model: keras.Model, part: SequencePart) -> dict[str, Any]:
    """Figures of a part.

    Args:
        model: As `sequence_modelling.network.build` makes it.
        part: The sequences.

    Returns:
        `examples`, `loss` (cross-entropy in nats, mean over all T + 20 steps, as published), `recall` (share of the last ten
        digits that are right; by chance 1/8), `whole` (share of sequences of which all ten are), `places` (recall of the first,
        second, … digit).
    """
    total, right = 0.0, np.zeros((len(part), DIGITS), bool)
    for row, logits in outputs(model, part):
        target = np.asarray(part.targets[row], np.int64)
        total += float(cross_entropy(logits, target).sum())
        right[row] = logits[-DIGITS:].argmax(axis=-1) == target[-DIGITS:]
    return {
        "examples": len(part),
        "loss": total / float(part.lengths.sum()),
        "recall": float(right.mean()),
        "whole": float(right.all(axis=1).mean()),
        "places": [float(share) for share in right.mean(axis=0)],
    }


def cross_entropy(logits: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """−log softmax at the target: (steps,).

    Args:
        logits: (steps, symbols).
        target: (steps,).
    """
    with np.errstate(invalid="ignore"):  # what is no number is told by the loss, which isn't one either
        shifted = logits - logits.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(shifted, target[:, None], axis=-1)[:, 0]
    return np.asarray(np.log(np.exp(shifted).sum(axis=-1)) - chosen)


def without_memory(length: int) -> float:
    """The loss of a network that knows when to answer, but none of the digits: 10·ln 8 / (T + 20) (Arjovsky et al. 2016)."""
    return float(DIGITS * np.log(8) / (length + 2 * DIGITS))
