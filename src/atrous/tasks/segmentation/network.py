"""The network of a recipe, and weights to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from atrous.blocks.context import RATES
from atrous.data.masks import VOID
from atrous.models import DRN, DeepLabV3Plus, DilatedNet, freeze
from atrous.models.labels import ClassLabels
from atrous.run import Run
from atrous.tasks.segmentation.recipe import Segmentation

_DEFAULT = Segmentation(name="", epochs=1)
_LOW_LEVEL = 3 / 16  # of the decoder's channels, as published: 48 of 256


def build(recipe: Segmentation, class_names: tuple[str, ...], palette: Any, policy: str) -> keras.Model:
    """The network, with the weights that the recipe says, and labels: pixels, 0 … 255, of any size → logits.

    Raises:
        ValueError: A choice doesn't fit the network, or a file of weights doesn't.
    """
    network = _dilated_net if recipe.network == "dilated-net" else _deeplab
    model = network(recipe, len(class_names), policy)
    if recipe.is_undilated:
        model = undilated(model)
    logits = ClassLabels(class_names, palette, VOID, dtype="float32", name="labels")(model.output)
    model = keras.Model(model.input, logits, name=model.name)
    if recipe.from_run is not None:
        take_weights(model, Run(recipe.from_run).load_model(), f"from_run={recipe.from_run!r}")
    if recipe.weights not in (None, "imagenet"):
        _load(model, str(recipe.weights))
    if recipe.freeze == "backbone":
        freeze(model, "front_end" if recipe.network == "dilated-net" else _made_by(model.get_layer("aspp").input))
    return model


def stride_of(recipe: Segmentation) -> int:
    """Pixels that sizes should be multiples of: then every map covers the image exactly."""
    return 8 if recipe.network == "dilated-net" else max(8, recipe.output_stride)


def undilated(model: keras.Model) -> keras.Model:
    """The same network with every rate 1: equal parameters, equal sizes of maps. Weights are drawn anew.

    Raises:
        ValueError: A layer can't be had without its rate, such as one whose padding another layer makes.
    """

    def plain(layer: Any) -> Any:
        return type(layer).from_config(_without_rates(layer.get_config()))

    refused = "`rates` can't be 1 with this backbone and output stride: take a built-in backbone, such as resnet_14_small, or"
    try:
        copy = keras.models.clone_model(model, clone_function=plain)
        sizes = [_size_inside(each) for each in (model, copy)]
    except ValueError as error:
        raise ValueError(f"{refused} another stride. Received: {error}") from error
    if sizes[0] != sizes[1]:  # where a layer pads for a rate that another has
        raise ValueError(f"{refused} another stride. Received: maps of {sizes[1]} positions instead of {sizes[0]}.")
    return copy


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


def _deeplab(recipe: Segmentation, classes: int, policy: str) -> keras.Model:
    rates = recipe.rates if recipe.rates != (1,) else (1,) * len(_DEFAULT.rates)
    drn = recipe.backbone.removeprefix("drn_") if recipe.backbone.startswith("drn_") else ""
    if drn and (recipe.weights == "imagenet" or recipe.output_stride != 8):
        raise ValueError(
            "`output_stride` must be 8 with a DRN, and `weights` None or a file. "
            f"Received: output_stride={recipe.output_stride}, weights={recipe.weights!r}."
        )
    return DeepLabV3Plus(
        _drn(drn, recipe.is_undilated, policy) if drn else recipe.backbone,
        classes,
        output_stride=recipe.output_stride,
        rates=rates,
        filters=recipe.filters,
        low_level_filters=max(8, round(_LOW_LEVEL * recipe.filters)),
        dropout=recipe.dropout,
        backbone_weights="imagenet" if recipe.weights == "imagenet" else None,
        include_preprocessing=not drn,
        dtype=policy,
    )


def _drn(variant: str, is_undilated: bool, policy: str) -> keras.Model:
    """Without its rates before blocks are taken apart, because layers beside convolutions pad for a rate then."""
    model = DRN(variant, input_shape=(None, None, 3), include_top=False, include_preprocessing=True, dtype=policy)
    return undilated(model) if is_undilated else model


def _dilated_net(recipe: Segmentation, classes: int, policy: str) -> keras.Model:
    if recipe.weights == "imagenet":
        raise ValueError("`weights` must be a file for dilated-net. Received: weights='imagenet'.")
    pixels = keras.Input((None, None, 3), name="pixels")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0, dtype=policy, name="normalize")(pixels)
    rates = {(1,): (1,) * len(RATES), _DEFAULT.rates: RATES}.get(recipe.rates, recipe.rates)
    net = DilatedNet(classes, rates=rates, widths=recipe.widths, dropout=recipe.dropout, dtype=policy)
    x = net.get_layer("context")(net.get_layer("front_end")(scaled))
    return keras.Model(pixels, net.get_layer("logits")([x, pixels]), name=net.name)


def _load(model: keras.Model, file: str) -> None:
    if not Path(file).is_file():
        raise ValueError(
            f"`weights` must be a .keras or .weights.h5 file that exists, or imagenet. Received: weights={file!r}."
        )
    if file.endswith(".keras"):
        take_weights(model, keras.models.load_model(file, compile=False), f"weights={file!r}")
    else:
        model.load_weights(file)


def _size_inside(model: keras.Model) -> Any:
    """Of the map that ASPP looks at, or of what comes out, for an image of 256 × 256 pixels."""
    has_aspp = "aspp" in [layer.name for layer in model.layers]
    inner = keras.Model(model.inputs, model.get_layer("aspp").input if has_aspp else model.output)
    return tuple(inner.compute_output_shape((1, 256, 256, 3))[1:3])


def _made_by(tensor: Any) -> str:
    return str(tensor._keras_history.operation.name)


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
