"""Residual networks whose late strides may be rates: backbones that keep resolution.

Source: He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import layers

from atrous.blocks.hybrid import multi_grid as multiplied
from atrous.blocks.residual import BasicBlock, BottleneckBlock
from atrous.blocks.unit import ConvNormActivation, parse_rates
from atrous.models.images import (
    Options,
    check_choice,
    classified,
    finished,
    image_input,
    normalized,
    policy_name,
    stage,
    unit_options,
)
from atrous.spec import parse_integer

STEM_STRIDE = 4
STAGE_STRIDES = (1, 2, 2, 2)


class Variant(NamedTuple):
    """A residual network.

    Args:
        block: `BasicBlock` or `BottleneckBlock`.
        blocks: Number of blocks in each of the four stages.
        width: Filters of the first stage; each one behind has twice as many.
    """

    block: Any
    blocks: tuple[int, int, int, int]
    width: int = 64


VARIANTS = {
    "resnet_14_small": Variant(BasicBlock, (1, 1, 2, 2), 16),
    "resnet_18": Variant(BasicBlock, (2, 2, 2, 2)),
    "resnet_34": Variant(BasicBlock, (3, 4, 6, 3)),
    "resnet_50": Variant(BottleneckBlock, (3, 4, 6, 3)),
    "resnet_101": Variant(BottleneckBlock, (3, 4, 23, 3)),
}


def ResNet(  # noqa: N802
    variant: str = "resnet_50",
    classes: int = 1000,
    input_shape: Sequence[int | None] = (224, 224, 3),
    output_stride: int = 32,
    multi_grid: Sequence[int] | None = None,
    include_top: bool = True,
    activation: Any = "softmax",
    include_preprocessing: bool = False,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> keras.Model:
    """A residual network with the output stride that is asked for: bias-free convolutions, weights as PyTorch's.

    Takes `(batch, height, width, channels)`, any size if `input_shape` leaves it open. Returns probabilities, or, without top,
    the map of the last stage. Layers are `stem`, `pool`, `stage1_block1`, …, `average`, `probabilities`; `stage1` … `stage4`
    are the stages' maps, at strides 4, 8, 16 and 32 as far as `output_stride` goes.

    | variant | blocks | filters of the last map | parameters with 1,000 classes |
    |---|---|---|---|
    | `resnet_14_small` | 6 basic | 128 | 807,864 |
    | `resnet_18` | 8 basic | 512 | 11,689,512 |
    | `resnet_34` | 16 basic | 512 | 21,797,672 |
    | `resnet_50` | 16 bottleneck | 2048 | 25,557,032 |
    | `resnet_101` | 33 bottleneck | 2048 | 44,549,160 |

    Where a stride is left out, what follows is dilated, so that weights stay what they were: at every position that a network
    of stride 32 has, the output is that network's.

    Args:
        variant: A row of the table.
        classes: Number of classes.
        input_shape: Height and width, which may be `None`, and channels.
        output_stride: Input positions between neighbours of the last map: 4, 8, 16 or 32.
        multi_grid: Unit rates of the last stage's blocks, one each, as in DeepLabv3: published 1, 2, 4. Each is multiplied by
            the stage's rate. `None`: the first block is at the rate before, the others at the stage's.
        include_top: Whether a classifier follows.
        activation: Of the classifier; `None` gives logits.
        include_preprocessing: Whether the model takes pixels, 0 … 255, and normalises them by ImageNet's mean and deviation.
        weights: File of weights (`.weights.h5` or `.keras`), or `None`. PyTorch's: `atrous.surgery.import_weights`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; probabilities are float32.
        name: Name of the model; by default `variant`.

    Raises:
        ValueError: An argument breaks its rule.
    """
    check_choice("variant", variant, list(VARIANTS))
    policy = policy_name(dtype)
    inputs = image_input(input_shape)
    x = normalized(inputs, include_preprocessing, policy)
    x = residual_features(x, VARIANTS[variant], output_stride, multi_grid, unit_options(policy))
    if include_top:
        x = classified(x, classes, activation, policy)
    return finished(inputs, x, weights, name or variant)


def residual_features(x: Any, variant: Variant, output_stride: int, multi_grid: Sequence[int] | None, options: Options) -> Any:
    """Stem and stages."""
    layout = {"data_format": "channels_last", "dtype": options["dtype"]}
    x = ConvNormActivation(variant.width, 7, 2, padding=3, **options, name="stem")(x)
    x = layers.ZeroPadding2D(1, **layout, name="pool_padding")(x)  # zeros never win: nothing is below them behind `relu`
    x = layers.MaxPooling2D(3, 2, **layout, name="pool")(x)
    for i, (strides, before, rate) in enumerate(dilated_stages(output_stride)):
        count, filters = variant.blocks[i], variant.width * 2**i
        first = (before, rate) if variant.block is BasicBlock else before
        rates: Sequence[Any] = (first, *[rate] * (count - 1))
        if multi_grid is not None and i == len(variant.blocks) - 1:
            rates = _multi_grid(multi_grid, rate, count)
        x = stage(x, variant.block, filters, rates, strides, f"stage{i + 1}", options)
    return x


def dilated_stages(output_stride: int) -> Iterator[tuple[int, int, int]]:
    """Stride, rate before and rate behind the stride, of each stage.

    Raises:
        ValueError: No network of these strides has that output stride.
    """
    check_output_stride(output_stride, STEM_STRIDE, 32)
    reached, rate = STEM_STRIDE, 1
    for stride in STAGE_STRIDES:
        if reached * stride <= output_stride:
            reached *= stride
            yield stride, rate, rate
        else:
            yield 1, rate, rate * stride
            rate *= stride


def check_output_stride(output_stride: int, smallest: int, largest: int) -> None:
    """Raises a ValueError if it isn't a power of two in these limits."""
    value = parse_integer("output_stride", output_stride)
    if value & (value - 1) or not smallest <= value <= largest:
        raise ValueError(
            f"`output_stride` must be a power of two from {smallest} to {largest}, the model's own. "
            f"Received: output_stride={output_stride!r}."
        )


def _multi_grid(unit_rates: Sequence[int], rate: int, count: int) -> tuple[int, ...]:
    unit_rates = parse_rates(unit_rates, "multi_grid")
    if len(unit_rates) != count:
        raise ValueError(
            f"`multi_grid` must have a rate for each of the {count} blocks of the last stage. "
            f"Received: multi_grid={unit_rates}."
        )
    return multiplied(unit_rates, rate)
