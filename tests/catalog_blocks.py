"""Every block and model with arguments that use what is special about it, and an input that fits: one row feeds every invariant."""

from __future__ import annotations

from typing import Any, NamedTuple

from atrous import blocks


class Row(NamedTuple):
    """A block or a function that makes a model.

    Args:
        make: The class or function.
        arguments: For it.
        input_shape: Without batch, channels last.
        field: What its output sees of the input, one number an axis, worked out by hand; `inf` behind global pooling.
    """

    make: Any
    arguments: dict[str, Any]
    input_shape: tuple[int, ...]
    field: float

    def layer(self, **more: Any) -> Any:
        return self.make(**{**self.arguments, **more})


INF = float("inf")

BLOCKS = {
    "unit": Row(blocks.ConvNormActivation, {"filters": 6, "kernel_size": 3, "strides": 2, "dilation_rate": 2}, (12, 10, 4), 5),
    "unit separable": Row(
        blocks.ConvNormActivation,
        {"filters": 6, "kernel_size": 3, "dilation_rate": 3, "separable": True, "activation": "swish"},
        (12, 10, 4),
        7,
    ),
    "unit in groups": Row(
        blocks.ConvNormActivation,
        {"filters": 8, "kernel_size": 3, "groups": 2, "normalization": "group", "kernel_regularizer": "l2"},
        (12, 10, 4),
        INF,
    ),
    "unit causal": Row(
        blocks.ConvNormActivation,
        {"filters": 4, "kernel_size": 2, "dilation_rate": 4, "padding": "causal", "rank": 1, "normalization": "layer"},
        (20, 3),
        5,
    ),
    "aspp": Row(blocks.ASPP, {"filters": 4, "rates": (2, 4), "dropout": 0.1}, (12, 10, 6), INF),
    "aspp textbook": Row(
        blocks.ASPP, {"filters": 4, "rates": (2, 4), "project": False, "normalization": None}, (12, 10, 6), INF
    ),
    "aspp separable": Row(
        blocks.ASPP,
        {"filters": 4, "rates": (1, 2, 3), "separable": True, "image_pooling": False, "output_stride": 8},
        (14, 13, 6),
        13,
    ),
    "aspp 1D": Row(blocks.ASPP, {"filters": 4, "rates": [3], "rank": 1, "normalization": "layer"}, (20, 3), INF),
    "context": Row(blocks.ContextModule, {"rates": (1, 2, 4)}, (20, 18, 3), 15),
    "context large": Row(
        blocks.ContextModule, {"channels": 2, "size": "large", "rates": (1, 2, 1), "padding": "valid"}, (20, 18, 2), 9
    ),
    "front end": Row(blocks.FrontEnd, {"filters": 3, "widths": (2, 2, 3, 3, 4, 5)}, (40, 32, 3), 44 + 8 * (3 * 2 + 3 * 4 + 24)),
    "hybrid": Row(blocks.HybridDilatedGroup, {"filters": 4, "residual": True}, (20, 18, 3), 17),
    "hybrid causal": Row(
        blocks.HybridDilatedGroup,
        {"filters": 4, "rates": (1, 2, 4), "kernel_size": 2, "padding": "causal", "rank": 1, "residual": True},
        (20, 4),
        8,
    ),
    "multi-scale": Row(blocks.MultiScale, {"filters": 4}, (12, 10, 3), 9),
    "multi-scale side by side": Row(blocks.MultiScale, {"filters": 4, "fuse": "concat", "separable": True}, (12, 10, 3), 9),
    "multi-scale with attention": Row(blocks.MultiScale, {"filters": 4, "fuse": "attention"}, (12, 10, 3), 11),
    "multi-scale 1D": Row(
        blocks.MultiScale, {"filters": 4, "rates": (1, 5), "fuse": "attention", "rank": 1, "padding": "causal"}, (20, 3), 13
    ),
}
