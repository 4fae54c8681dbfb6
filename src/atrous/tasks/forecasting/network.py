"""The network of a recipe."""

from __future__ import annotations

import keras

from atrous.models.forecaster import Forecaster
from atrous.tasks.forecasting.plan import Plan
from atrous.tasks.forecasting.recipe import Forecasting


def build(recipe: Forecasting, plan: Plan, channels: int, policy: str) -> keras.Model:
    """The network: see `atrous.models.forecaster.Forecaster`.

    Args:
        recipe: Sizes and quantiles.
        plan: Steps and rates.
        channels: Of the input.
        policy: Of the TCN.
    """
    return Forecaster(
        channels,
        plan.look_back,
        plan.horizon,
        plan.base,
        plan.rates,
        recipe.quantiles,
        recipe.filters,
        recipe.kernel_size,
        recipe.dropout,
        policy,
    )
