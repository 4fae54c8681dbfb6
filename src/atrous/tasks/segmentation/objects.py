"""How large the things in masks are, and how much of them is found, by size: what a field has to be compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atrous.data.masks import VOID
from atrous.tasks.sizes import Extent


def extents(mask: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> list[Extent]:
    """What is in a mask; class 0 is left out, since it is background more often than not."""
    seen: list[Extent] = []
    has_class = mask != VOID
    for label in np.unique(mask[has_class & (mask > 0)]).tolist():
        inside = mask == label
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        size = int(max(rows[-1] - rows[0], columns[-1] - columns[0])) + 1
        said = (predicted == label) & has_class
        hits = int((inside & said).sum())
        seen.append(Extent(int(label), size, hits / int(inside.sum()), hits / int((inside | said).sum())))
    return seen
