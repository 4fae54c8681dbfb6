"""What both heads are trained for: the code that comes is likely."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import register
from atrous.models.wavenet import logistic_mixture_loss


@register
class CodeLoss(keras.losses.Loss):
    """−ln of the probability of the next mu-law code, in nats, (batch, time); see `codes`.

    Targets (batch, time), integers; outputs (batch, time, channels). Steps behind the end of a file have weight 0, and their
    number has no weight either.

    Args:
        head: `"categorical"` or `"logistics"`.
        classes: Number of codes.
        **kwargs: `name`, `reduction`.
    """

    def __init__(self, head: str, classes: int = 256, name: str = "code_loss", **kwargs: Any) -> None:
        super().__init__(**{"name": name, "reduction": "mean_with_sample_weight", **kwargs})
        self.head, self.classes = head, classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each step."""
        if self.head == "logistics":
            levels = ops.cast(y_true, "float32") * (2 / (self.classes - 1)) - 1  # on the curve, bins are equally wide
            return logistic_mixture_loss(ops.expand_dims(levels, -1), y_pred, self.classes)
        return ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), ops.cast(y_pred, "float32"), from_logits=True)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "head": self.head, "classes": self.classes}
