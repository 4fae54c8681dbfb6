"""Dilated convolution on tensors of whichever framework Keras runs on: the only bridge between layers and computation."""

from atrous.ops.convolution import conv, conv_transpose, depthwise_conv

__all__ = ["conv", "conv_transpose", "depthwise_conv"]
