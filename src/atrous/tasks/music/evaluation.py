"""What a network knows of the next step, of whole pieces."""

from __future__ import annotations

from typing import Any

import keras

from atrous.tasks.music.loss import nll
from atrous.tasks.sequence_modelling.sequences import SequencePart, outputs


def evaluate(model: keras.Model, part: SequencePart) -> dict[str, Any]:
    """Figures of whole pieces, each from its second step on, all steps of all pieces pooled.

    Args:
        model: As `sequence_modelling.network.build` makes it.
        part: The pieces.

    Returns:
        `examples` (pieces), `steps` (that were predicted), `nll` (negative log-likelihood, summed over the keys, in nats, mean
        over steps; float64), the same as `loss`, and `frame_accuracy`: with TP, FP, FN the keys that were right, said in vain
        and missed at a probability above a half, TP / (TP + FP + FN) (Bay, Ehmann & Downie 2009).
    """
    total, hits, wrong = 0.0, 0, 0
    for row, logits in outputs(model, part):
        roll = part.targets[row]
        total += float(nll(roll, logits).sum())
        said, true = logits > 0, roll > 0
        hits += int((said & true).sum())
        wrong += int((said ^ true).sum())
    steps = int(part.lengths.sum())
    mean = total / steps
    return {
        "examples": len(part),
        "loss": mean,
        "nll": mean,
        "frame_accuracy": float(hits / max(1, hits + wrong)),
        "steps": steps,
    }
