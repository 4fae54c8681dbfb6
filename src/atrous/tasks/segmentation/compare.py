"""The same test images through several networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from markupsafe import Markup

from atrous.data.masks import VOID
from atrous.report.page import render
from atrous.run import Run
from atrous.tasks.segmentation import network
from atrous.tasks.segmentation.evaluation import Segmenter
from atrous.tasks.segmentation.loss import confusion, intersection_over_union
from atrous.tasks.segmentation.pictures import hex_of, painted, uri
from atrous.tasks.segmentation.recipe import Segmentation

_SHOWN = 6


def sections(runs: Sequence[Run], names: Sequence[str]) -> list[Markup]:
    """A section with a row an image and a column a run; none if the runs have other classes or data."""
    first = runs[0].config
    if any((run.config.class_names, run.config.data) != (first.class_names, first.data) for run in runs):
        return []
    split = runs[0].load_data().test
    segmenters = [Segmenter(run.load_model(), network.stride_of(cast(Segmentation, run.config.recipe))) for run in runs]
    indices = np.unique(np.linspace(0, len(split) - 1, min(len(split), _SHOWN)).round().astype(int)).tolist()
    rows: list[dict[str, Any]] = []
    for index in indices:
        image, mask = split[index]
        found = [segmenter.labels(image) for segmenter in segmenters]
        scores = [_score(mask, labels, len(first.class_names)) for labels in found]
        rows.append(
            {
                "name": split.name(index),
                "image": uri(image, jpeg=True),
                "truth": uri(painted(mask, first.palette)),
                "found": [
                    {
                        "picture": uri(painted(labels, first.palette)),
                        "iou": f"{100 * score:.0f} %",
                        "best": score == max(scores),
                    }
                    for labels, score in zip(found, scores, strict=True)
                ],
            }
        )
    legend = [{"name": name, "color": hex_of(color)} for name, color in zip(first.class_names, first.palette, strict=True)]
    return [render(__package__ or "", "compare.html", rows=rows, names=names, legend=legend)]


def _score(mask: Any, labels: Any, classes: int) -> float:
    """Mean over the classes that are there."""
    there = np.unique(mask[mask != VOID])
    iou = intersection_over_union(confusion(mask, labels, classes))[there]
    return float(iou.mean()) if len(there) else 1.0
