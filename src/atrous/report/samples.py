"""Predictions on test examples: which to show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

_EXAMINED = 2000  # test examples looked at: enough to find telling mistakes, a second or two of work
_BATCH = 200


@dataclass(frozen=True)
class Sample:
    """One test example with what the model says about it.

    Args:
        index: Its place in the test split.
        name: Where it comes from.
        image: `(height, width, channels)`, 0..255.
        true: Index of the true class.
        predicted: Index of the most probable class.
        probability: Probability of the predicted class, 0..1.
        true_probability: Probability of the true class, 0..1.
    """

    index: int
    name: str
    image: np.ndarray
    true: int
    predicted: int
    probability: float
    true_probability: float


@dataclass(frozen=True)
class Samples:
    """Examples worth showing.

    Args:
        right: Examples predicted rightly, of as many classes as possible.
        wrong: Mistakes, the most confident first.
        examined: Number of test examples looked at.
    """

    right: list[Sample]
    wrong: list[Sample]
    examined: int


def choose(model: keras.Model, split: Any, count: int = 12) -> Samples:
    """Predicts test examples and picks those to show.

    Args:
        model: Gives probabilities `(n, classes)`.
        split: A `Split`; when it is large, examples spread evenly over it are looked at.
        count: Number of right and of wrong examples at most.
    """
    indices = np.unique(np.linspace(0, len(split) - 1, min(len(split), _EXAMINED)).round().astype(int))
    if not len(split):
        return Samples([], [], 0)
    chunks = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
    probabilities = np.concatenate([_predict(model, split.images(chunk)) for chunk in chunks])
    labels, predicted = np.asarray(split.labels)[indices], probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)

    def sample(place: int) -> Sample:
        index = int(indices[place])
        return Sample(
            index=index,
            name=split.name(index),
            image=split.images([index])[0],
            true=int(labels[place]),
            predicted=int(predicted[place]),
            probability=float(confidence[place]),
            true_probability=float(probabilities[place, labels[place]]),
        )

    mistakes = np.flatnonzero(predicted != labels)
    worst = mistakes[np.argsort(-confidence[mistakes], kind="stable")][:count]
    right = _one_of_each(labels, np.flatnonzero(predicted == labels), count)
    return Samples([sample(i) for i in right], [sample(i) for i in worst], len(indices))


def _predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    outputs = model(images.astype("float32"), training=False)
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")))


def _one_of_each(labels: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """The first example of each class, then the second of each, up to `count`, in order of class."""
    seen: Counter[int] = Counter()
    turn = np.empty(len(places), dtype=int)
    for i, label in enumerate(labels[places].tolist()):
        turn[i] = seen[label]
        seen[label] += 1
    chosen = places[np.lexsort((labels[places], turn))][:count]
    return chosen[np.argsort(labels[chosen], kind="stable")]
