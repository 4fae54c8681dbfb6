"""Figures of a model on a part of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from atrous.tasks import classes
from atrous.tasks.series_classification.batches import probabilities
from atrous.tasks.series_classification.data import SeriesCases
from atrous.tasks.series_classification.plan import Plan


def evaluate(model: keras.Model, part: SeriesCases, plan: Plan, class_names: Sequence[str]) -> dict[str, Any]:
    """What `atrous.tasks.classes.figures` says of each series, once.

    Args:
        model: As `network.build` makes it.
        part: Cases.
        plan: Of the run.
        class_names: In order.
    """
    return classes.figures(probabilities(model, part.series, plan), part.labels, class_names)
