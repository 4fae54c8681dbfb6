"""Where the channels are."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def channels_last(x: Tensor, data_format: str) -> Tensor:
    """Data of this format as (batch, *space, channels)."""
    if data_format == "channels_last":
        return x
    return tf.transpose(x, [0, *range(2, len(x.shape)), 1])


def restore(y: Tensor, data_format: str) -> Tensor:
    """(batch, *space, channels) as data of this format."""
    if data_format == "channels_last":
        return y
    return tf.transpose(y, [0, len(y.shape) - 1, *range(1, len(y.shape) - 1)])
