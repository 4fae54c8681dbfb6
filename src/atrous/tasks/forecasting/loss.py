"""The pinball loss: least where a forecast is the quantile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import register


@register
class PinballLoss(keras.losses.Loss):
    """Mean over the quantiles of max(q·(y − ŷ), (q − 1)·(y − ŷ)) (Koenker & Bassett 1978), one a step ahead.

    Targets (batch, origins, horizon), forecasts (batch, origins, horizon, quantiles). Sample weights (batch, origins, horizon)
    leave out what is missing, and bring series to one unit.

    Args:
        quantiles: Each in 0..1.
        **kwargs: `name`, `reduction`.
    """

    def __init__(self, quantiles: Sequence[float], name: str = "pinball_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.quantiles = tuple(quantiles)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each step ahead."""
        quantiles = ops.convert_to_tensor(self.quantiles, y_pred.dtype)
        error = ops.cast(y_true, y_pred.dtype)[..., None] - y_pred
        return ops.mean(ops.maximum(quantiles * error, (quantiles - 1) * error), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "quantiles": self.quantiles}
