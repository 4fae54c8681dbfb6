"""Seeded splits that keep the proportions of the classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def stratified(labels: ArrayLike, fractions: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """Divides examples into disjoint parts, class by class.

    Every part but the first takes its fraction of each class, rounded, and at least one example; the first part
    takes the rest. A class with fewer examples than there are parts goes to the first part whole.

    Args:
        labels: (n,) integers.
        fractions: the share of each part; they sum to 1.
        seed: chooses the examples; the same seed and labels give the same parts.

    Returns:
        For every fraction the indices of its part, ascending.
    """
    labels = np.asarray(labels)
    rng = np.random.default_rng(seed)
    chosen: list[list[NDArray[np.int64]]] = [[np.empty(0, np.int64)] for _ in fractions]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.cumsum(_sizes(len(members), fractions))[:-1]
        for part, piece in zip(chosen, np.split(members, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in chosen]


def _sizes(n: int, fractions: Sequence[float]) -> list[int]:
    if n < len(fractions):
        return [n] + [0] * (len(fractions) - 1)
    rest = [max(1, round(n * fraction)) for fraction in fractions[1:]]
    return [n - sum(rest), *rest]
