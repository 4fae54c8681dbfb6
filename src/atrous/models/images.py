"""What networks that take images have in common: their input, the units they are made of, their head, their weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from atrous.spec import parse_integer

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, from 0 to 1: what PyTorch's networks are trained with."""

Options = dict[str, Any]


def policy_name(dtype: Any) -> str:
    """Name of a type or policy; Keras's global policy if `None`."""
    return str(keras.dtype_policies.get(dtype or keras.config.dtype_policy()).name)


def unit_options(policy: str) -> Options:
    """Of units and blocks that compute as PyTorch's networks do: its epsilon and momentum, channels last."""
    normalization = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=policy)
    return {"normalization": normalization, "data_format": "channels_last", "dtype": policy}


def image_input(input_shape: Sequence[int | None]) -> Any:
    """The input `pixels`, (batch, height, width, channels).

    Raises:
        ValueError: `input_shape` isn't height, width and a known number of channels.
    """
    if len(input_shape) != 3 or input_shape[2] is None:
        raise ValueError(f"`input_shape` must be (height, width, channels). Received: input_shape={input_shape!r}.")
    return keras.Input(tuple(input_shape), name="pixels")


def normalized(pixels: Any, include: bool, policy: str) -> Any:
    """Pixels, 0 … 255, with ImageNet's mean and deviation taken off; or, if not included, what came."""
    if not include:
        return pixels
    if pixels.shape[-1] != len(MEAN):
        raise ValueError(
            "`include_preprocessing` needs images of three channels, whose mean is known. "
            f"Received: input_shape={tuple(pixels.shape[1:])}."
        )
    scale = [1 / 255 / deviation for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    return layers.Rescaling(scale, offset, dtype=policy, name="normalize")(pixels)


def stage(
    x: Any, block: Any, filters: int, rates: Sequence[Any], strides: int, name: str, options: Options, **more: Any
) -> Any:
    """Blocks one behind another, `<name>_block1`, …; the first has the stride. The tensor behind them is called `name`."""
    for i, rate in enumerate(rates, 1):
        x = block(filters, strides=strides if i == 1 else 1, dilation_rate=rate, **options, **more, name=f"{name}_block{i}")(x)
    return layers.Identity(dtype=options["dtype"], name=name)(x)


def classified(x: Any, classes: int, activation: Any, policy: str) -> Any:
    """The mean over the map and a dense layer; float32, since the logarithm of probabilities is the loss."""
    x = layers.GlobalAveragePooling2D(data_format="channels_last", dtype=policy, name="average")(x)
    name = "probabilities" if activation == "softmax" else "outputs"
    return layers.Dense(parse_integer("classes", classes), activation=activation, dtype="float32", name=name)(x)


def finished(inputs: Any, outputs: Any, weights: str | Path | None, name: str) -> keras.Model:
    """The model, with weights from a file if one is given."""
    model = keras.Model(inputs, outputs, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def check_choice(argument: str, value: Any, known: Sequence[str]) -> None:
    """Raises a ValueError that lists what there is."""
    if value not in known:
        raise ValueError(f"`{argument}` must be one of {', '.join(map(repr, known))}. Received: {argument}={value!r}.")
