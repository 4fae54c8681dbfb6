"""The negative log-likelihood of keys, and what it is without a network."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from atrous.blocks.unit import register
from atrous.tasks.sequence_modelling.sequences import SequencePart


@register
class KeysNLL(keras.losses.Loss):
    """Negative log-likelihood of independent keys, summed over them, in nats, a step.

    Targets (batch, steps, keys) of 0 and 1, logits of the same shape, weights (batch, steps). What `reduction` makes of the
    steps is by default their mean, each counted as often as its weight says.
    """

    def __init__(self, name: str = "keys_nll", reduction: str = "mean_with_sample_weight", **kwargs: Any) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each step: Σ softplus(z) − y·z over the keys."""
        return ops.sum(ops.softplus(y_pred) - ops.cast(y_true, y_pred.dtype) * y_pred, axis=-1)


def nll(roll: NDArray[Any], logits: NDArray[Any]) -> NDArray[np.float64]:
    """The same in float64: (steps,).

    Args:
        roll: (steps, keys), 0 or 1.
        logits: (steps, keys).
    """
    z = np.asarray(logits, np.float64)
    with np.errstate(invalid="ignore"):  # what is no number is told by the loss, which isn't one either
        return np.asarray(np.sum(np.logaddexp(0, z) - roll * z, axis=-1))


def frequencies(part: SequencePart) -> NDArray[np.float64]:
    """Logits of how often each key sounds in a part, (keys,), each seen once more with and once without."""
    sounding, steps = sum(each.sum(axis=0, dtype=np.int64) for each in part.targets), int(part.lengths.sum())
    return np.asarray(np.log((sounding + 1.0) / (steps - sounding + 1.0)))


def transitions(part: SequencePart) -> NDArray[np.float64]:
    """Logits of how often a key sounds behind a step in which it didn't, and did, (2, keys), each seen once more likewise."""
    before = np.concatenate(list(part.inputs)).astype(bool)
    after = np.concatenate(list(part.targets)).astype(bool)
    counts = [[(after & was).sum(axis=0) + 1.0, (~after & was).sum(axis=0) + 1.0] for was in (~before, before)]
    return np.log([on / off for on, off in counts])
