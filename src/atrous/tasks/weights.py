"""Weights that a network begins with, and the same network without its rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from atrous.run import Run
from atrous.tasks.fine_tuning import FineTuning


def begin(model: keras.Model, recipe: FineTuning) -> None:
    """Gives a network the weights of the recipe's `from_run`, and of its file.

    Raises:
        ValueError: There is no such file, or it has no weights of this network.
        FileNotFoundError: There is no such run, or it has no model yet.
    """
    if recipe.from_run is not None:
        take_weights(model, Run(recipe.from_run).load_model(), f"from_run={recipe.from_run!r}")
    if recipe.weights not in (None, "imagenet"):
        _load(model, str(recipe.weights))


def take_weights(model: keras.Model, source: keras.Model, argument: str) -> int:
    """Gives variables the values of those with the same name and shape in another model; returns how many.

    Raises:
        ValueError: There are none.
    """
    values = {variable.path: variable for variable in source.variables}
    taken = 0
    for variable in model.variables:
        found = values.get(variable.path)
        if found is not None and tuple(found.shape) == tuple(variable.shape):
            variable.assign(found)
            taken += 1
    if not taken:
        raise ValueError(f"`{argument.partition('=')[0]}` must have weights of this network. Received: {argument}, with none.")
    return taken


def undilated(model: keras.Model, inside: str | None = None) -> keras.Model:
    """The same network with every rate 1: equal parameters, equal sizes of maps. Weights are drawn anew.

    Args:
        model: A functional model.
        inside: A layer whose input must keep its size, as the model's outputs must.

    Raises:
        ValueError: A layer can't be had without its rate, such as one whose padding another layer makes.
    """

    def plain(layer: Any) -> Any:
        return type(layer).from_config(_without_rates(layer.get_config()))

    refused = "`rates` can't be 1 with this backbone and output stride: take a built-in backbone, such as resnet_14_small, or"
    try:
        copy = keras.models.clone_model(model, clone_function=plain)
        sizes = [size_inside(each, inside) for each in (model, copy)]
    except ValueError as error:
        raise ValueError(f"{refused} another stride. Received: {error}") from error
    if sizes[0] != sizes[1]:  # where a layer pads for a rate that another has
        raise ValueError(f"{refused} another stride. Received: maps of {sizes[1]} positions instead of {sizes[0]}.")
    return copy


def _load(model: keras.Model, file: str) -> None:
    if not Path(file).is_file():
        raise ValueError(
            f"`weights` must be a .keras or .weights.h5 file that exists, or imagenet. Received: weights={file!r}."
        )
    if file.endswith(".keras"):
        take_weights(model, keras.models.load_model(file, compile=False), f"weights={file!r}")
    else:
        model.load_weights(file)


def size_inside(model: keras.Model, inside: str | None) -> Any:
    """Height and width of what a layer takes, or of what comes out, for an image of 256 × 256 pixels."""
    names = [layer.name for layer in model.layers]
    inner = keras.Model(model.inputs, model.get_layer(inside).input if inside in names else model.outputs[0])
    return tuple(inner.compute_output_shape((1, 256, 256, 3))[1:3])


def _without_rates(config: Any) -> Any:
    """A layer's config with every rate 1, inside, too."""
    if isinstance(config, dict):
        rates = ("dilation_rate", "rates")
        plain = {name: _ones(value) if name in rates else _without_rates(value) for name, value in config.items()}
        if "rates" in config and "output_stride" in config:
            plain["output_stride"] = 16  # at which ASPP's rates are what they are called
        rate, padding = config.get("dilation_rate"), config.get("padding")
        if isinstance(padding, (tuple, list)) and isinstance(rate, (tuple, list)):
            plain["padding"] = tuple(
                (front // r, behind // r) for (front, behind), r in zip(padding, rate, strict=True)
            )  # as many zeros as keep the size
        return plain
    return config


def _ones(rates: Any) -> Any:
    return type(rates)(map(_ones, rates)) if isinstance(rates, (tuple, list)) else 1
