"""What is made of a model's output: itself, or labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from atrous.parts.part import Tensor


@dataclass(frozen=True)
class Result:
    """What is made of the output.

    Args:
        finish: Of a tile, where it is computed.
        shape: Of the whole.
        dtype: Of the whole.
        dims: Of the output that are left.
        palette: Red, green and blue of each label, if the model knows them.
    """

    finish: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dims: Sequence[int]
    palette: Sequence[Sequence[int]] = ()


def result_of(
    shape: tuple[int, ...], cut: Sequence[int], dtype: Any, activation: str | None, palette: Sequence[Sequence[int]] = ()
) -> Result:
    """What is made of the output.

    Args:
        shape: Of the output.
        cut: Its dims of space.
        dtype: As for `predict`.
        activation: As for `predict`.
        palette: Red, green and blue of each label, if the model knows them.
    """
    kind = None if dtype is None else np.dtype(dtype)
    if activation is None:
        if kind is not None and kind.kind != "f":
            raise ValueError(
                f"`dtype` must be a type of floats, or `activation` 'argmax'. Received: dtype={kind.name!r}, activation=None."
            )
        floats = kind or np.dtype("float32")
        return Result(lambda x: ops.cast(x, floats.name), shape, floats, range(len(shape)))
    if activation != "argmax":
        raise ValueError(f"`activation` must be None or 'argmax'. Received: activation={activation!r}.")
    channels = [d for d in range(len(shape)) if d not in cut]
    if len(channels) != 1 or shape[channels[0]] < 2:
        raise ValueError(f"`activation='argmax'` needs an output of two or more classes. Received: an output of shape {shape}.")
    classes = shape[channels[0]]
    kind = kind or np.dtype("uint8" if classes <= 2**8 else "uint16" if classes <= 2**16 else "int32")
    if kind.kind not in "iu" or classes - 1 > np.iinfo(kind).max:
        raise ValueError(f"`dtype` must be a type of integers that holds {classes} classes. Received: dtype={kind.name!r}.")
    return Result(lambda x: ops.argmax(x, axis=channels[0] + 1), tuple(shape[d] for d in cut), kind, list(cut), palette)
