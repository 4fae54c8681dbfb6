"""What was found, missed and invented in an image, and in which way.

The kinds are those of Bolya, Foley, Hays, Hoffman 2020, "TIDE" (arXiv 2008.08115), section 2.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atrous.data.boxes import Objects
from atrous.models.fcos import Detections

FOUND = 0.5
"""Intersection over union from which on an object is found."""
NEAR = 0.1
"""And from which on a box is at least near one."""

INVENTED = ("class", "place", "twice", "nothing")
MISSED = ("class", "place", "unseen")


@dataclass(frozen=True)
class Verdict:
    """On one image.

    Args:
        hits: (found,) index of the object that each box found; -1 if it found none, -2 if it found an ignored one.
        invented: (found,) of each box without an object, why: one of `INVENTED`; "" of others.
        missed: (objects,) of each object without a box, why: one of `MISSED`; "" of others.
        ious: (objects,) best intersection over union with a box of its class.
    """

    hits: NDArray[np.int64]
    invented: tuple[str, ...]
    missed: tuple[str, ...]
    ious: NDArray[np.float64]

    @property
    def found(self) -> int:
        """Number of objects that are found."""
        return int((self.hits >= 0).sum())

    @property
    def f1(self) -> float:
        """Twice the objects found, over objects and boxes; 1 where there is neither."""
        wrong = sum(map(bool, self.invented)) + sum(map(bool, self.missed))
        return 2 * self.found / (2 * self.found + wrong) if self.found + wrong else 1.0


def judge(truth: Objects, said: Detections) -> Verdict:
    """Compares boxes, best first, with objects: each takes the object of its class that it shares most with."""
    shared = overlaps(said.boxes, truth.boxes)
    same = said.classes[:, None] == truth.labels[None]
    free = ~truth.ignored
    hits = np.full(len(said.scores), -1, np.int64)
    for i in range(len(hits)):
        for usable, ignored in ((free & same[i], False), (truth.ignored & same[i], True)):
            candidates = np.where(usable, shared[i], 0.0)
            best = int(candidates.argmax()) if len(candidates) else -1
            if hits[i] == -1 and best >= 0 and candidates[best] >= FOUND:
                hits[i] = -2 if ignored else best
                free[best] = False
    taken = np.isin(np.arange(len(truth.labels)), hits)
    near_same = np.where(same, shared, 0.0)
    invented = tuple(
        "" if hit != -1 else _invented(shared[i], near_same[i], taken, truth.ignored) for i, hit in enumerate(hits)
    )
    ious = near_same.max(axis=0, initial=0.0)
    missed = tuple(
        "" if taken[j] or truth.ignored[j] else _missed(shared[:, j], near_same[:, j]) for j in range(len(truth.labels))
    )
    return Verdict(hits, invented, missed, ious)


def overlaps(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of each with each, (n, m)."""
    a, b = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    both = sides.prod(axis=-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (a, b)]
    return np.asarray(both / np.maximum(areas[0] + areas[1] - both, 1e-12))


def tally(verdicts: Iterable[Verdict]) -> tuple[Counter[str], Counter[str]]:
    """How many boxes are invented, and objects missed, in which way."""
    every = list(verdicts)
    return (
        Counter(why for verdict in every for why in verdict.invented if why),
        Counter(why for verdict in every for why in verdict.missed if why),
    )


def _invented(
    shared: NDArray[np.float64], same: NDArray[np.float64], taken: NDArray[np.bool_], ignored: NDArray[np.bool_]
) -> str:
    """Why a box has no object, of what it shares with each."""
    if (same[taken] >= FOUND).any():
        return "twice"
    if (shared[~ignored] >= FOUND).any():
        return "class"
    return "place" if (shared[~ignored] >= NEAR).any() else "nothing"


def _missed(shared: NDArray[np.float64], same: NDArray[np.float64]) -> str:
    """Why an object has no box, of what it shares with each."""
    if (shared >= FOUND).any() and not (same >= FOUND).any():
        return "class"
    return "place" if (same >= NEAR).any() else "unseen"
