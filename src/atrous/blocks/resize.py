"""Bilinear resizing to the size of another map, at any size, known or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import Shape, register


@register
class ResizeLike(keras.layers.Layer):
    """Resizes a map to the height and width of another, of which nothing else is looked at.

    Takes `[x, like]`, both `(batch, height, width, channels)`, and returns `(batch, height of like, width of like, channels of
    x)`. Pixels are areas with centres at half positions, and nothing is smoothed: PyTorch's `interpolate` with
    `align_corners=False`. The authors of DeepLab align corners, which needs sizes of the form stride·n + 1.

    Args:
        interpolation: `"bilinear"`, `"nearest"` or `"bicubic"`.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, interpolation: str = "bilinear", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if interpolation not in ("bilinear", "nearest", "bicubic"):
            raise ValueError(
                f"`interpolation` must be 'bilinear', 'nearest' or 'bicubic'. Received: interpolation={interpolation!r}."
            )
        self.interpolation = interpolation

    def build(self, input_shape: Sequence[Shape]) -> None:
        """There is nothing to build, but two maps must come."""
        if len(input_shape) != 2 or not all(isinstance(shape, (tuple, list)) and len(shape) == 4 for shape in input_shape):
            raise ValueError(
                "The input must be two maps, [x, like], each (batch, height, width, channels). "
                f"Received: input_shape={input_shape!r}."
            )

    def call(self, inputs: Sequence[Any]) -> Any:
        """Resizes the first to the size of the second."""
        x, like = inputs
        size = tuple(ops.shape(like)[1:3])
        # `ops.image.resize` compares the size with 0, which can't be done in a graph that is made for any size.
        known = all(isinstance(n, int) for n in size)
        resize = ops.image.resize if known else keras.layers.Resizing(1, 1).backend.image.resize
        return resize(x, size, interpolation=self.interpolation, data_format="channels_last")

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple[int | None, ...]:
        """Shape of the output; unknown lengths stay `None`."""
        x, like = input_shape
        return (x[0], *like[1:3], x[-1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "interpolation": self.interpolation}
