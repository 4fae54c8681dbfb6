"""The same test images through several networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from markupsafe import Markup

from atrous.report.page import render
from atrous.run import Run
from atrous.tasks.detection.drawing import as_said, counted, framed, legend, on_page, uri
from atrous.tasks.detection.evaluation import Detector
from atrous.tasks.detection.mistakes import judge
from atrous.tasks.detection.prediction import confident
from atrous.tasks.detection.recipe import Detection

_SHOWN = 6


def sections(runs: Sequence[Run], names: Sequence[str]) -> list[Markup]:
    """A section with a row an image and a column a run; none if the runs have other classes or data."""
    first = runs[0].config
    if any((run.config.class_names, run.config.data) != (first.class_names, first.data) for run in runs):
        return []
    split = runs[0].load_data().test
    detectors = []
    for run in runs:
        recipe = cast(Detection, run.config.recipe)
        detectors.append((Detector(run.load_model(), recipe.output_stride, recipe.overlap), recipe.confidence))
    indices = np.unique(np.linspace(0, len(split) - 1, min(len(split), _SHOWN)).round().astype(int)).tolist()
    rows = [_row(split, index, detectors) for index in indices]
    return [render(__package__ or "", "compare.html", rows=rows, names=names, legend=legend(first.class_names))]


def _row(split: Any, index: int, detectors: Sequence[tuple[Detector, float]]) -> dict[str, Any]:
    image, objects = split[index]
    ground, ratio = on_page(image)
    cells: list[dict[str, Any]] = []
    for detector, confidence in detectors:
        said = confident(detector.detections(image), confidence)
        verdict = judge(objects, said)
        picture = uri(framed(ground, said, ratio, [""] * len(said.scores)))
        invented = sum(map(bool, verdict.invented))
        cells.append({"picture": picture, "text": f"{verdict.found} found, {invented} invented", "score": verdict.f1})
    best = max(cell["score"] for cell in cells)
    return {
        "name": split.name(index),
        "truth": uri(framed(ground, as_said(objects), ratio, [""] * len(objects.labels))),
        "count": counted(objects),
        "found": [{**cell, "best": cell["score"] == best} for cell in cells],
    }
