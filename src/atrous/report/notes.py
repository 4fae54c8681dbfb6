"""What the figures say that a reader should be told in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atrous.report.network import View, times
from atrous.tasks.recipe import spoken

_FALL = 0.01  # of validation accuracy below its best, while training accuracy still rose
_GAP = 0.08  # between training and validation accuracy


def curve_notes(
    metrics: Sequence[dict[str, Any]], best_epoch: int | None, metric: str = "accuracy", lower_is_better: bool = False
) -> list[str]:
    """What the curves say; nothing if they are as they should be.

    Args:
        metrics: One row an epoch, as in `metrics.csv`.
        best_epoch: The epoch kept, counted from 1.
        metric: What it was chosen by; a share, if more is better.
        lower_is_better: Whether less of it is better.
    """
    if not metrics or best_epoch is None:
        return []
    best, last = metrics[best_epoch - 1], metrics[-1]
    if not all(np.isfinite(row["loss"]) for row in metrics):
        return ["The loss stopped being a number: training diverged. A smaller learning rate helps."]
    name, gap = spoken(metric), 0.0
    if not lower_is_better:
        fall, rise = best[f"val_{metric}"] - last[f"val_{metric}"], best["loss"] - last["loss"]
        meanwhile = f"training loss fell by {rise:.2g}"
        if metric in last:
            rise, gap = last[metric] - best[metric], last[metric] - last[f"val_{metric}"]
            meanwhile = f"training {name} rose by {100 * rise:.1f}"
        if fall > _FALL and rise > 0:
            return [
                f"After epoch {best_epoch} validation {name} fell by {100 * fall:.1f} points while {meanwhile}: the network "
                f"overfits. The model kept is that of epoch {best_epoch}; augmentation, dropout or fewer epochs help."
            ]
    if gap > _GAP:
        return [f"Training {name} ended {100 * gap:.1f} points above validation {name}: the network begins to overfit."]
    if best_epoch == len(metrics) > 1 and last["learning_rate"] > 0.1 * metrics[0]["learning_rate"]:  # not decayed to its end
        return [f"The last epoch was the best one: more epochs may still {'lower' if lower_is_better else 'gain'} {name}."]
    return []


def class_notes(confusion: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Classes that are never predicted; rows of the counts are true classes."""
    never = [
        name for name, row, column in zip(class_names, confusion, confusion.T, strict=True) if row.sum() and not column.sum()
    ]
    if not never:
        return []
    return [
        f"{len(never)} of {len(class_names)} classes are never predicted: {', '.join(never[:5])}{', …' * (len(never) > 5)}."
    ]


def field_notes(view: View, image_size: tuple[int, int]) -> list[str]:
    """What a layer doesn't see, or sees in vain, of images of a height and width in pixels."""
    told = []
    taps = view.kernel[0] * view.kernel[1]
    if view.field is not None:
        size = tuple(last - first + 1 for first, last in view.field)
        if any(seen > n for seen, n in zip(size, image_size, strict=True)):
            told.append(
                f"The receptive field of {view.layer} ({times(size)} pixels) is larger than the image "
                f"({times(image_size)}): part of it sees padding only. A smaller rate loses nothing."
            )
        if len(view.taps) < taps:
            told.append(
                f"{taps - len(view.taps)} of the {taps} taps of {view.layer} fall into padding even for the "
                f"centre unit: its rate ({times(view.rate)}) is too large for a map of {times(view.maps.shape[:2])}."
            )
    dead = int((view.maps.max(axis=(0, 1)) <= 0).sum()) if view.maps.min() >= 0 else 0
    if dead > view.maps.shape[-1] // 2:
        told.append(f"{dead} of {view.maps.shape[-1]} channels of {view.layer} are zero everywhere for the example shown.")
    return told
