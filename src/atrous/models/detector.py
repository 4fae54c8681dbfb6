"""The dilated detector: boxes without anchors from one map, on which every location sees most of the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from atrous.blocks.unit import ConvNormActivation, parse_rates
from atrous.models import fcos
from atrous.models.backbone import backbone_maps
from atrous.models.images import Options, finished, policy_name, unit_options
from atrous.spec import parse_integer

REFERENCE_STRIDE = 32
"""The output stride that the published rates of the encoder, (2, 4, 6, 8), are given for."""

PRIOR = 0.01
"""Probability that a new detector gives to every class everywhere, lest its first steps learn of nothing but background."""


def DilatedDetector(  # noqa: N802
    backbone: str | keras.Model = "resnet_50",
    classes: int = 80,
    input_shape: Sequence[int | None] | None = None,
    output_stride: int = fcos.OUTPUT_STRIDE,
    rates: Sequence[int] = (2, 4, 6, 8),
    filters: int = 256,
    depth: int = 4,
    tower_normalization: Any = "group",
    backbone_weights: str | Path | None = None,
    include_preprocessing: bool = False,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str = "dilated_detector",
) -> keras.Model:
    """Backbone → dilated encoder → two towers → what each location says of its object.

    Takes `(batch, height, width, channels)`, any size if the input shape leaves it open, and returns a dictionary of maps, as
    large as the image over `output_stride`: `"classes"`, logits (…, classes); `"boxes"`, distances to the left, top, right and
    bottom side in pixels (…, 4); `"centerness"`, a logit (…, 1).

        model.compile("adam", fcos.LOSSES)
        model.fit(images, targets)                        # of each image: fcos.targets(boxes, labels, image_size, classes)
        fcos.decode(model.predict(images), image_size)    # boxes, scores and classes of each image

    The encoder is YOLOF's: residual blocks with which one map answers for small and large objects, where others take a pyramid
    of maps. Towers and outputs are those of FCOS; centre-ness stands beside the boxes, as in its second version. The factor
    that it learns for each level of the pyramid is left out, for there is one level.

    Layers are those of the backbone, then `project`, `project_context`, `encoder1`, `encoder2`, …, `class_tower1`, …,
    `box_tower1`, …, `classes`, `boxes`, `centerness`.

    Args:
        backbone: As for `DeepLabV3`.
        classes: Number of classes.
        input_shape: As for `DeepLabV3`.
        output_stride: Of the map that all happens on: 8 or 16, or another power of two up to the backbone's own.
        rates: Rate of each residual block of the encoder, for an output stride of 32: multiplied by 32 / `output_stride`.
        filters: Channels of encoder and towers. FCOS: 256, YOLOF: 512.
        depth: Convolutions in each tower.
        tower_normalization: Of the towers, as for `ConvNormActivation`: published `"group"`; or `"batch"`, as everywhere else
            in the network, with which a location sees its field alone, so that large images can be computed by tiles.
        backbone_weights: `"imagenet"` (of `keras.applications`), a file of the backbone's weights, or `None`.
        include_preprocessing: Whether the model takes pixels, 0 … 255, and normalises them as the backbone expects.
        weights: File of weights (`.weights.h5` or `.keras`) of the whole model, or `None`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; the outputs are float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.

    Sources: Chen et al. 2021, "You Only Look One-level Feature" (arXiv 2103.09460), section 4.2; FCOS as in
    `atrous.models.fcos`.
    """
    classes, depth, filters = (
        parse_integer("classes", classes),
        parse_integer("depth", depth),
        parse_integer("filters", filters, minimum=4),
    )
    rates = _scaled(parse_rates(rates), output_stride)
    policy = policy_name(dtype)
    options = unit_options(policy)
    maps = backbone_maps(backbone, output_stride, input_shape, None, backbone_weights, include_preprocessing, policy)
    x = maps.high
    for step, size in (("project", 1), ("project_context", 3)):
        x = ConvNormActivation(filters, size, **options, activation=None, name=step)(x)
    for i, rate in enumerate(rates, 1):
        x = _residual(x, filters, rate, options, f"encoder{i}")
    towers = options if tower_normalization == "batch" else {**options, "normalization": tower_normalization}
    outputs = _outputs(
        _tower(x, filters, depth, towers, "class_tower"),
        _tower(x, filters, depth, towers, "box_tower"),
        classes,
        output_stride,
    )
    return finished(maps.inputs, outputs, weights, name)


def _residual(x: Any, filters: int, rate: int, options: Options, name: str) -> Any:
    """1×1 to a quarter of the channels → dilated 3×3 → 1×1, added to what came in."""
    y = ConvNormActivation(filters // 4, 1, **options, name=f"{name}_reduce")(x)
    y = ConvNormActivation(filters // 4, 3, dilation_rate=rate, **options, name=f"{name}_dilated")(y)
    y = ConvNormActivation(filters, 1, **options, name=f"{name}_expand")(y)
    return layers.Add(dtype=options["dtype"], name=name)([x, y])


def _tower(x: Any, filters: int, depth: int, options: Options, name: str) -> Any:
    for i in range(1, depth + 1):
        x = ConvNormActivation(filters, 3, **options, name=f"{name}{i}")(x)
    return x


def _outputs(of_class: Any, of_box: Any, classes: int, output_stride: int) -> dict[str, Any]:
    """What the locations say, from the two towers' maps; float32, for its exponentials and the losses' logarithms."""

    def conv(channels: int, name: str, **more: Any) -> Any:
        small = keras.initializers.RandomNormal(stddev=0.01)
        layout = {"padding": "same", "data_format": "channels_last", "dtype": "float32"}
        return layers.Conv2D(channels, 3, kernel_initializer=small, **layout, **more, name=name)

    prior = keras.initializers.Constant(-math.log((1 - PRIOR) / PRIOR))
    strides = conv(4, "box_strides", activation="exponential")(of_box)
    return {
        "classes": conv(classes, "classes", bias_initializer=prior)(of_class),
        "boxes": layers.Rescaling(float(output_stride), dtype="float32", name="boxes")(strides),
        "centerness": conv(1, "centerness")(of_box),
    }


def _scaled(rates: tuple[int, ...], output_stride: int) -> tuple[int, ...]:
    """Rates for a map of this output stride."""
    stride = parse_integer("output_stride", output_stride)
    if any(rate * REFERENCE_STRIDE % stride for rate in rates):
        raise ValueError(
            f"`rates` must stay integers when they are multiplied by {REFERENCE_STRIDE} / `output_stride`. "
            f"Received: rates={rates}, output_stride={output_stride}."
        )
    return tuple(rate * REFERENCE_STRIDE // stride for rate in rates)
