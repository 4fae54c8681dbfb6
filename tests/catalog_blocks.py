"""Every block and model with arguments that use what is special about it: one row feeds every invariant."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras

from atrous import blocks, models


class Row(NamedTuple):
    """A block or a function that makes a model.

    Args:
        make: The class or function.
        arguments: For it.
        input_shape: Without batch, channels last.
        field: What its output sees of the input along each axis, worked out by hand; `inf` behind global pooling or `flatten`.
            `None` for a model whose field its own tests know.
        any_size: Whether a model takes `None` for the spatial part of its input shape.
    """

    make: Any
    arguments: dict[str, Any]
    input_shape: tuple[int, ...]
    field: float | None = None
    any_size: bool = True

    def layer(self, **more: Any) -> Any:
        return self.make(**{**self.arguments, **more})

    def model(self, input_shape: tuple[int | None, ...] | None = None) -> Any:
        return self.make(**self.arguments, input_shape=input_shape or self.input_shape)


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
    "unit with a layer": Row(
        blocks.ConvNormActivation,
        {
            "filters": 6,
            "kernel_size": (1, 3),
            "normalization": keras.layers.BatchNormalization(epsilon=1e-5),
            "activation": None,
        },
        (12, 10, 4),
        None,
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
    "basic": Row(blocks.BasicBlock, {"filters": 4, "dilation_rate": 2}, (14, 12, 4), 1 + 2 * 2 * 2),
    "basic projected": Row(
        blocks.BasicBlock, {"filters": 6, "strides": 2, "dilation_rate": (1, 2)}, (14, 12, 4), 3 + 2 * 2 * 2
    ),
    "basic without residual": Row(
        blocks.BasicBlock, {"filters": 6, "residual": False, "normalization": "layer"}, (12, 10, 4), 5
    ),
    "basic separable 1D": Row(
        blocks.BasicBlock, {"filters": 4, "dilation_rate": 3, "separable": True, "rank": 1}, (20, 3), 1 + 2 * 2 * 3
    ),
    "bottleneck": Row(blocks.BottleneckBlock, {"filters": 2, "dilation_rate": 2}, (12, 10, 8), 5),
    "bottleneck projected": Row(
        blocks.BottleneckBlock,
        {"filters": 3, "strides": 2, "expansion": 2, "projection": True, "activation": "swish"},
        (12, 11, 4),
        3,
    ),
    "weight norm": Row(
        blocks.WeightNormConv1D, {"filters": 4, "kernel_size": 3, "dilation_rate": 4, "padding": "causal"}, (20, 3), 9
    ),
    "causal unit": Row(
        blocks.CausalUnit,
        {"filters": 4, "kernel_size": 2, "dilation_rate": 4, "gated": True, "normalization": "batch"},
        (20, 3),
        5,
    ),
    "temporal": Row(
        blocks.TemporalBlock, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "dropout": 0.1}, (20, 3), 1 + 2 * 2 * 2
    ),
    "temporal gated": Row(
        blocks.TemporalBlock,
        {"filters": 3, "kernel_size": 2, "dilation_rate": 3, "gated": True, "normalization": "layer", "activation": "tanh"},
        (20, 3),
        1 + 2 * 3,
    ),
    "wavenet": Row(
        blocks.WaveNetBlock,
        {"filters": 3, "kernel_size": 2, "dilation_rate": 4, "gate_filters": 4, "skip_filters": 5, "residual": False},
        (20, 3),
        5,
    ),
    "splice": Row(blocks.SpliceBlock, {"filters": 4, "kernel_size": 5, "dilation_rate": 2}, (20, 4), 1 + 2 * 4 * 2),
}

MODELS = {
    "DeepLabV3": Row(
        models.DeepLabV3,
        {
            "backbone": "resnet_14_small",
            "classes": 3,
            "rates": (1, 2),
            "multi_grid": (1, 2),
            "filters": 4,
            "separable": True,
            "activation": "softmax",
        },
        (49, 48, 3),
        INF,
    ),
    "DeepLabV3Plus": Row(
        models.DeepLabV3Plus,
        {"backbone": "resnet_14_small", "classes": 3, "output_stride": 8, "rates": (1,), "filters": 4, "low_level_filters": 3},
        (33, 32, 3),
        INF,
    ),
    "DilatedNet": Row(
        models.DilatedNet, {"classes": 2, "rates": (1, 2), "widths": (2, 2, 3, 3, 4, 5)}, (40, 32, 3), 44 + 8 * 42 + 8 * 6 + 8
    ),
    "DRN": Row(models.DRN, {"variant": "c_26", "classes": 3, "channels": (2, 2, 3, 3, 4, 4, 4, 4)}, (24, 16, 3), INF),
    "ResNet": Row(
        models.ResNet,
        {"variant": "resnet_14_small", "classes": 3, "output_stride": 16, "multi_grid": (1, 2)},
        (33, 32, 3),
        INF,
    ),
    "DilatedClassifier": Row(
        models.DilatedClassifier, {"classes": 3, "depth": 1, "rates": (1, 2), "head": "average"}, (16, 12, 3), INF
    ),
    "DilatedClassifier flat": Row(
        models.DilatedClassifier, {"classes": 3, "depth": 1, "head": "flatten"}, (16, 12, 3), INF, any_size=False
    ),
    "SpliceNet": Row(
        models.SpliceNet, {"variant": ((3, 1), (5, 2)), "filters": 4, "blocks": 1}, (40, 4), 1 + 2 * 2 + 2 * 4 * 2
    ),
    "TCN": Row(models.TCN, {"outputs": 2, "filters": (4, 4, 3), "kernel_size": 2}, (20, 3), 1 + 2 * (2**3 - 1)),
    "TCN last": Row(
        models.TCN, {"filters": 4, "rates": (1, 3), "output": "last", "gated": True, "normalization": "batch"}, (20, 3)
    ),
    "TCN horizon": Row(models.TCN, {"outputs": 2, "filters": 4, "rates": (1, 3), "output": "horizon", "horizon": 3}, (20, 3)),
    "WaveNet": Row(
        models.WaveNet,
        {"head": "logistics", "mixtures": 2, "rates": (1, 2, 4), "stacks": 2, "filters": 4, "input_kernel_size": 2},
        (20, 1),
        1 + 1 + 2 * (2**3 - 1),
    ),
}
