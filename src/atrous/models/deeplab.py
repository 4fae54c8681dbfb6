"""DeepLabv3 and DeepLabv3+: segmentation by atrous spatial pyramid pooling, on any backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from atrous.blocks.aspp import ASPP
from atrous.blocks.resize import ResizeLike
from atrous.blocks.unit import ConvNormActivation
from atrous.models.backbone import backbone_maps
from atrous.models.images import Options, finished, policy_name, unit_options
from atrous.spec import parse_integer

RATES = (6, 12, 18)
"""Published for an output stride of 16; `ASPP` doubles them at 8."""


def DeepLabV3(  # noqa: N802
    backbone: str | keras.Model = "resnet_50",
    classes: int = 21,
    input_shape: Sequence[int | None] | None = None,
    output_stride: int = 16,
    rates: Sequence[int] = RATES,
    multi_grid: Sequence[int] | None = None,
    filters: int = 256,
    refine: bool = True,
    auxiliary: bool = False,
    separable: bool = False,
    dropout: float = 0.1,
    activation: Any = None,
    backbone_weights: str | Path | None = None,
    include_preprocessing: bool = False,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str = "deeplab_v3",
) -> keras.Model:
    """DeepLabv3: backbone → ASPP → logits, resized to the image.

    Takes `(batch, height, width, channels)`, any size if the input shape leaves it open, and returns logits
    `(batch, height, width, classes)`; with `auxiliary` a dictionary of `"logits"` and `"auxiliary_logits"`. Layers are those of
    the backbone, then `aspp`, `refine`, `scores`, `logits`.

    With `"resnet_50"`, `output_stride=8` and `auxiliary=True` it is torchvision's `deeplabv3_resnet50`, 42,004,074 parameters:
    `atrous.surgery.import_weights(model, file, atrous.models.torch_names.deeplab_v3)` takes its weights.

    Args:
        backbone: Name of a built-in backbone (`"resnet_14_small"`, `"resnet_18"`, `"resnet_34"`, `"resnet_50"`, `"resnet_101"`:
            see `ResNet`), of a network of `keras.applications` such as `"MobileNetV2"`, or a functional `keras.Model` that
            returns a map, which is copied. Those that aren't built in are dilated by `atrous.to_output_stride`.
        classes: Number of classes.
        input_shape: Height and width, which may be `None`, and channels; `None`: any size and three channels, or those of
            the given model.
        output_stride: Of the map that ASPP looks at: 8 or 16, or another power of two up to the backbone's own.
        rates: Of ASPP, for an output stride of 16: they are multiplied by 16 / `output_stride`.
        multi_grid: Unit rates of the last stage of a built-in backbone; published 1, 2, 4.
        filters: Channels of every branch of ASPP, and behind it.
        refine: Whether a 3×3 unit follows ASPP, as in torchvision's; the paper has none.
        auxiliary: Whether a small head looks at the map of the last stage but one, for a second loss in training.
        separable: Whether 3×3 convolutions behind the backbone are separable.
        dropout: Share dropped behind ASPP in training.
        activation: Of the output, such as `"softmax"`; `None` gives logits.
        backbone_weights: `"imagenet"` (of `keras.applications`), a file of the backbone's weights, or `None`.
        include_preprocessing: Whether the model takes pixels, 0 … 255, and normalises them as the backbone expects.
        weights: File of weights (`.weights.h5` or `.keras`) of the whole model, or `None`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; logits are float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.

    Source: Chen, Papandreou, Schroff, Adam 2017, "Rethinking Atrous Convolution for Semantic Image Segmentation"
    (arXiv 1706.05587).
    """
    policy = policy_name(dtype)
    options = unit_options(policy)
    maps = backbone_maps(backbone, output_stride, input_shape, multi_grid, backbone_weights, include_preprocessing, policy)
    x = _aspp(maps.high, filters, rates, dropout, output_stride, separable, options)
    if refine:
        x = ConvNormActivation(filters, 3, separable=separable, **options, name="refine")(x)
    outputs = _logits(x, maps.inputs, classes, activation, options)
    if auxiliary:
        if maps.middle is None:
            raise ValueError(
                "`auxiliary` needs a backbone with a map at half its own output stride. "
                f"Received: auxiliary=True, backbone={backbone!r}."
            )
        x = ConvNormActivation(max(1, maps.middle.shape[-1] // 4), 3, **options, name="auxiliary_refine")(maps.middle)
        x = layers.Dropout(0.1, dtype=policy, name="auxiliary_dropout")(x)
        second = _logits(x, maps.inputs, classes, activation, options, "auxiliary_")
        outputs = {"logits": outputs, "auxiliary_logits": second}
    return finished(maps.inputs, outputs, weights, name)


def DeepLabV3Plus(  # noqa: N802
    backbone: str | keras.Model = "resnet_50",
    classes: int = 21,
    input_shape: Sequence[int | None] | None = None,
    output_stride: int = 16,
    rates: Sequence[int] = RATES,
    multi_grid: Sequence[int] | None = None,
    filters: int = 256,
    low_level_filters: int = 48,
    separable: bool = False,
    dropout: float = 0.1,
    activation: Any = None,
    backbone_weights: str | Path | None = None,
    include_preprocessing: bool = False,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str = "deeplab_v3_plus",
) -> keras.Model:
    """DeepLabv3+: DeepLabv3 with a decoder, which looks at a map of stride 4 for where things end.

    Takes `(batch, height, width, channels)`, any size if the input shape leaves it open, and returns logits
    `(batch, height, width, classes)`. Layers are those of the backbone, then `aspp`; of the decoder `low_level` (1×1 on the
    backbone's last map at stride 4), `upsample` (ASPP's map at that size), `concat`, `decoder1`, `decoder2` (3×3); `scores` and
    `logits`.

    Args:
        backbone: As for `DeepLabV3`.
        classes: Number of classes.
        input_shape: As for `DeepLabV3`.
        output_stride: Of the map that ASPP looks at: 8 or 16, or another power of two up to the backbone's own.
        rates: Of ASPP, for an output stride of 16: they are multiplied by 16 / `output_stride`.
        multi_grid: Unit rates of the last stage of a built-in backbone.
        filters: Channels of ASPP and of the decoder.
        low_level_filters: Channels that the map at stride 4 is reduced to, so that it doesn't outweigh the other.
        separable: Whether 3×3 convolutions of ASPP and decoder are separable, as in the paper's fastest networks.
        dropout: Share dropped behind ASPP in training.
        activation: Of the output, such as `"softmax"`; `None` gives logits.
        backbone_weights: `"imagenet"` (of `keras.applications`), a file of the backbone's weights, or `None`.
        include_preprocessing: Whether the model takes pixels, 0 … 255, and normalises them as the backbone expects.
        weights: File of weights (`.weights.h5` or `.keras`) of the whole model, or `None`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; logits are float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.

    Source: Chen, Zhu, Papandreou, Schroff, Adam 2018, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
    Segmentation" (arXiv 1802.02611).
    """
    policy = policy_name(dtype)
    options = unit_options(policy)
    maps = backbone_maps(backbone, output_stride, input_shape, multi_grid, backbone_weights, include_preprocessing, policy)
    x = _aspp(maps.high, filters, rates, dropout, output_stride, separable, options)
    low = ConvNormActivation(parse_integer("low_level_filters", low_level_filters), 1, **options, name="low_level")(maps.low)
    x = ResizeLike(dtype=policy, name="upsample")([x, low])
    x = layers.Concatenate(dtype=policy, name="concat")([x, low])
    for i in (1, 2):
        x = ConvNormActivation(filters, 3, separable=separable, **options, name=f"decoder{i}")(x)
    return finished(maps.inputs, _logits(x, maps.inputs, classes, activation, options), weights, name)


def _aspp(
    x: Any, filters: int, rates: Sequence[int], dropout: float, output_stride: int, separable: bool, options: Options
) -> Any:
    return ASPP(filters, rates, dropout=dropout, output_stride=output_stride, separable=separable, **options, name="aspp")(x)


def _logits(x: Any, inputs: Any, classes: int, activation: Any, options: Options, prefix: str = "") -> Any:
    """1×1 to the classes, resized to the image."""
    classes = parse_integer("classes", classes)
    layout = {"data_format": "channels_last", "dtype": options["dtype"]}
    x = layers.Conv2D(classes, 1, **layout, name=f"{prefix}scores")(x)
    x = ResizeLike(dtype="float32", name=f"{prefix}logits")([x, inputs])
    return x if activation is None else layers.Activation(activation, dtype="float32", name=f"{prefix}outputs")(x)
