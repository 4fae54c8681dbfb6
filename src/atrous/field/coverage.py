"""How evenly a receptive field is filled: gridding, told from the number of paths to each of its positions, along one axis."""

from __future__ import annotations

import numpy as np


def gridding(paths: np.ndarray) -> float:
    """Share of a field's positions that never reach the output: 0 is none, (2, 2, 2) at kernel size 3 is 6/13.

    Args:
        paths: `(span,)`, paths from each position of the field to one output.
    """
    return float(np.mean(np.asarray(paths) == 0)) if len(paths) else 0.0


def missed(paths: np.ndarray) -> np.ndarray:
    """Positions of a field that never reach the output.

    Args:
        paths: `(span,)`, paths from each position of the field to one output.

    Returns:
        Their indices from the field's first position on, int64.
    """
    return np.flatnonzero(np.asarray(paths) == 0)


def unevenness(paths: np.ndarray) -> float:
    """How much neighbours differ in their number of paths, beyond a single rise and fall: 0 is smooth, 1 a comb.

    It is (TV − U) / 2A: the total variation TV = Σ|cᵢ₊₁ − cᵢ|, less that of a profile that only rises and then falls,
    U = 2·max c − c₀ − cₙ, over the sum A of the means of neighbours.

    Args:
        paths: `(span,)`, paths from each position of the field to one output.
    """
    if len(paths) < 2:
        return 0.0
    counts = np.asarray(paths, dtype="float64") / np.max(paths)
    variation = np.abs(np.diff(counts)).sum()
    least = 2 * counts.max() - counts[0] - counts[-1]
    means = (counts[1:] + counts[:-1]).sum() / 2
    return float(max(variation - least, 0.0) / (2 * means))
