"""The network of a recipe."""

from __future__ import annotations

import keras

from atrous.models.series_classifier import SeriesClassifier
from atrous.tasks.series_classification.plan import Plan, stem_taps
from atrous.tasks.series_classification.recipe import SeriesClassification


def build(recipe: SeriesClassification, plan: Plan, classes: int, policy: str) -> keras.Model:
    """The network: see `atrous.models.SeriesClassifier`.

    Args:
        recipe: Sizes.
        plan: Rates, stride, scales.
        classes: How many there are.
        policy: Of the convolutions.
    """
    return SeriesClassifier(
        len(plan.mean),
        classes,
        plan.mean,
        plan.deviation,
        plan.per_case,
        plan.rates,
        recipe.filters,
        recipe.kernel_size,
        stem_taps(plan.stride),
        plan.stride,
        recipe.dropout,
        policy,
    )
