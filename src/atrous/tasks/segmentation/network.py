"""The network of a recipe, and weights to begin with."""

from __future__ import annotations

from typing import Any

import keras

from atrous.blocks.context import RATES
from atrous.data.masks import VOID
from atrous.models import DRN, DeepLabV3Plus, DilatedNet, freeze
from atrous.models.labels import ClassLabels
from atrous.tasks.segmentation.recipe import Segmentation
from atrous.tasks.weights import begin, undilated

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
        model = undilated(model, "aspp")
    logits = ClassLabels(class_names, palette, VOID, dtype="float32", name="labels")(model.output)
    model = keras.Model(model.input, logits, name=model.name)
    begin(model, recipe)
    if recipe.freeze == "backbone":
        freeze(model, "front_end" if recipe.network == "dilated-net" else _made_by(model.get_layer("aspp").input))
    return model


def stride_of(recipe: Segmentation) -> int:
    """Pixels that sizes should be multiples of: then every map covers the image exactly."""
    return 8 if recipe.network == "dilated-net" else max(8, recipe.output_stride)


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


def _made_by(tensor: Any) -> str:
    return str(tensor._keras_history.operation.name)
