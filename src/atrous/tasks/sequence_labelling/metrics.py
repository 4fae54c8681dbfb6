"""What scores of every base are worth, where sites are one in thousands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Truth = NDArray[np.bool_]


def ranked(scores: Scores, truth: Truth) -> tuple[NDArray[np.int64], NDArray[np.int64], Scores]:
    """What is called at each threshold, from the highest score down: how many, how many of them are sites, and the threshold.

    Equal scores are called together, so that nothing depends on their order.

    Args:
        scores: (n,), of each base; NaN is not allowed.
        truth: (n,), whether there is a site.
    """
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    last = np.append(descending[1:] != descending[:-1], True)
    return np.flatnonzero(last) + 1, np.cumsum(truth[order])[last], descending[last]


def average_precision(scores: Scores, truth: Truth) -> float | None:
    """The area under precision over recall: Σ (recall_i − recall_{i−1}) · precision_i over all thresholds, the highest first.

    No precision is interpolated between thresholds, which would flatter (Davis & Goadrich 2006, doi 10.1145/1143844.1143874).

    Returns:
        `None` if there is no site.
    """
    called, hits, _ = ranked(scores, truth)
    if not hits[-1]:
        return None
    return float((np.diff(hits, prepend=0) / hits[-1] * (hits / called)).sum())


def top_k(scores: Scores, truth: Truth) -> tuple[float | None, float | None]:
    """Top-k accuracy (Jaganathan et al. 2019): the share of sites among the k highest scores, where k is the number of sites.

    There precision and recall are equal. Of equal scores at the k-th place that is counted which a draw gives in the mean.

    Returns:
        The share, and the k-th highest score; both `None` if there is no site.
    """
    called, hits, thresholds = ranked(scores, truth)
    k = int(hits[-1])
    if not k:
        return None, None
    at = int(np.searchsorted(called, k))
    before, sure = (int(called[at - 1]), int(hits[at - 1])) if at else (0, 0)
    drawn = (k - before) / (int(called[at]) - before) * (int(hits[at]) - sure)
    return (sure + drawn) / k, float(thresholds[at])


def precision_at(scores: Scores, truth: Truth, recalls: Sequence[float]) -> list[float]:
    """The best precision with which at least each share of the sites is found; for drawing."""
    called, hits, _ = ranked(scores, truth)
    best = np.maximum.accumulate((hits / called)[::-1])[::-1]
    places = np.searchsorted(hits, np.asarray(recalls) * hits[-1] - 1e-9)
    return [float(value) for value in best[np.minimum(places, len(best) - 1)]]
