"""Dilated convolution on tensors of whichever framework Keras runs on: the only bridge between layers and computation."""

import importlib
from typing import Any

from atrous.ops.convolution import add_bias, conv, conv_transpose, depthwise_conv, path_of

__all__ = ["add_bias", "conv", "conv_transpose", "depthwise_conv", "path_of"]


def __getattr__(name: str) -> Any:
    if name in ("native", "numpy"):  # loaded on first use
        return importlib.import_module(f"atrous.ops.{name}")
    raise AttributeError(f"module 'atrous.ops' has no attribute {name!r}")
