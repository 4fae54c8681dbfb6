"""Every base of both strands of a part is labelled once, and the scores of each type are compared with its sites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.tasks.sequence_labelling import metrics
from atrous.tasks.sequence_labelling.data import SequencePart
from atrous.tasks.sequence_labelling.plan import Plan
from atrous.tasks.sequence_labelling.windows import probabilities


def evaluate(model: keras.Model, part: SequencePart, plan: Plan, names: Sequence[str]) -> dict[str, Any]:
    """Figures of a model on all bases of both strands of a part, each with its whole context.

    Returns:
        `examples`, the chunks that are labelled at once; `loss`, the mean cross-entropy of a base; `ap` and `top_k`, means over
        the types; `positions`; and `classes`, of each type: see `figures`.
    """
    scores, loss = score(model, part, plan)
    return {
        "examples": sum(-(-len(each) // plan.chunk) for each in part.stretches),
        "loss": loss,
        **figures(scores, part.labels(), names),
    }


def score(model: keras.Model, part: SequencePart, plan: Plan) -> tuple[NDArray[np.float32], float]:
    """The probability of each type at each base, (positions, types), and the mean cross-entropy."""
    found, loss = [], 0.0
    for stretch in part.stretches:
        said = probabilities(model, stretch, plan)
        of_truth = said[np.arange(len(said)), stretch.dense(0, len(said))]
        loss -= float(np.log(np.maximum(of_truth, keras.config.epsilon())).sum(dtype=np.float64))
        found.append(said[:, 1:])
    return np.concatenate(found), loss / part.positions


def figures(scores: NDArray[np.floating], labels: NDArray[np.integer], names: Sequence[str]) -> dict[str, Any]:
    """What scores are worth.

    Args:
        scores: (positions, types).
        labels: (positions,), 0 for no site, 1 for the first type, …
        names: Of the types.

    Returns:
        `ap` and `top_k`, means over the types that there are sites of; `positions`; and `classes`: for each type its number of
        `sites`, `ap`, `top_k` (`None` where there is no site) and `threshold`, the score from which on k bases are called.
    """
    classes: dict[str, dict[str, Any]] = {}
    for label, name in enumerate(names, 1):
        of_type, truth = scores[:, label - 1], labels == label
        hits, threshold = metrics.top_k(of_type, truth)
        classes[name] = {
            "sites": int(truth.sum()),
            "ap": metrics.average_precision(of_type, truth),
            "top_k": hits,
            "threshold": threshold,
        }
    return {
        "ap": _mean(row["ap"] for row in classes.values()),
        "top_k": _mean(row["top_k"] for row in classes.values()),
        "positions": len(labels),
        "classes": classes,
    }


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else 0.0
