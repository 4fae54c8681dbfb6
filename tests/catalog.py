"""Every layer with arguments that use what it lifts, and an input that fits: one row feeds every invariant."""

from __future__ import annotations

from typing import Any, NamedTuple

from atrous import layers


class Row(NamedTuple):
    make: type
    arguments: dict[str, Any]
    input_shape: tuple[int, ...]  # without batch, channels last

    def layer(self, **more: Any) -> Any:
        return self.make(**{**self.arguments, **more})


LAYERS = {
    "Conv1D": Row(layers.Conv1D, {"filters": 4, "kernel_size": 3, "dilation_rate": 4, "padding": "causal"}, (20, 3)),
    "Conv1D strided": Row(
        layers.Conv1D, {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 3, "padding": "same"}, (20, 3)
    ),
    "Conv2D": Row(layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}, (12, 10, 3)),
    "Conv2D strided": Row(
        layers.Conv2D, {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 2, "padding": "same"}, (12, 10, 3)
    ),
    "Conv2D explicit": Row(
        layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": (1, 3), "padding": ((1, 0), (2, 4))}, (12, 10, 3)
    ),
    "Conv2D grouped": Row(
        layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "same", "groups": 2}, (12, 10, 4)
    ),
    "Conv3D": Row(layers.Conv3D, {"filters": 4, "kernel_size": 2, "dilation_rate": 2, "padding": "same"}, (6, 7, 5, 2)),
    "DepthwiseConv1D": Row(
        layers.DepthwiseConv1D, {"kernel_size": 3, "dilation_rate": 2, "padding": "causal", "depth_multiplier": 2}, (20, 3)
    ),
    "DepthwiseConv2D": Row(
        layers.DepthwiseConv2D, {"kernel_size": 3, "dilation_rate": 2, "padding": "same", "depth_multiplier": 2}, (12, 10, 3)
    ),
    "SeparableConv1D": Row(
        layers.SeparableConv1D, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": (4, 0)}, (20, 3)
    ),
    "SeparableConv2D": Row(
        layers.SeparableConv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}, (12, 10, 3)
    ),
    "Conv1DTranspose": Row(
        layers.Conv1DTranspose, {"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 2, "padding": "causal"}, (9, 3)
    ),
    "Conv2DTranspose": Row(
        layers.Conv2DTranspose, {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "padding": "same"}, (6, 5, 3)
    ),
    "Conv2DTranspose strided": Row(
        layers.Conv2DTranspose, {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}, (6, 5, 3)
    ),
    "Conv3DTranspose": Row(
        layers.Conv3DTranspose, {"filters": 3, "kernel_size": 2, "strides": 2, "dilation_rate": 2, "padding": 1}, (3, 4, 3, 2)
    ),
}

POOLS = {
    "MaxPooling1D": Row(layers.MaxPooling1D, {"pool_size": 3, "strides": 1, "dilation_rate": 4, "padding": "causal"}, (20, 3)),
    "MaxPooling2D": Row(
        layers.MaxPooling2D, {"pool_size": 3, "strides": 1, "dilation_rate": 2, "padding": "same"}, (12, 10, 3)
    ),
    "MaxPooling2D strided": Row(
        layers.MaxPooling2D, {"pool_size": (2, 3), "dilation_rate": (3, 2), "padding": "same"}, (12, 10, 3)
    ),
    "MaxPooling2D explicit": Row(
        layers.MaxPooling2D, {"pool_size": 2, "strides": 1, "dilation_rate": (1, 3), "padding": ((1, 0), (0, 3))}, (12, 10, 3)
    ),
    "MaxPooling3D": Row(layers.MaxPooling3D, {"pool_size": 2, "dilation_rate": 2}, (6, 7, 5, 2)),
    "AveragePooling1D": Row(layers.AveragePooling1D, {"pool_size": 3, "dilation_rate": 2, "padding": (2, 0)}, (20, 3)),
    "AveragePooling2D": Row(
        layers.AveragePooling2D, {"pool_size": 3, "strides": 1, "dilation_rate": 2, "padding": "same"}, (12, 10, 3)
    ),
    "AveragePooling2D strided": Row(
        layers.AveragePooling2D, {"pool_size": 2, "strides": (3, 1), "dilation_rate": 3, "padding": "same"}, (12, 10, 3)
    ),
    "AveragePooling2D not dilated": Row(layers.AveragePooling2D, {"pool_size": 2, "padding": "same"}, (12, 9, 3)),
    "AveragePooling3D": Row(
        layers.AveragePooling3D, {"pool_size": 2, "strides": 1, "dilation_rate": (1, 2, 1), "padding": 1}, (6, 7, 5, 2)
    ),
}
