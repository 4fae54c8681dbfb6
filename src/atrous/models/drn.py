"""Dilated residual networks: classifiers whose last map has 28×28 positions at 224 pixels, not 7×7.

Source: Yu, Koltun, Funkhouser 2017, "Dilated Residual Networks" (arXiv 1705.09914).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import layers

from atrous.blocks.residual import BasicBlock, BottleneckBlock
from atrous.blocks.unit import ConvNormActivation
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
from atrous.models.resnet import VARIANTS as RESNETS
from atrous.models.resnet import residual_features
from atrous.spec import parse_integers

OUTPUT_STRIDE = 8
CHANNELS = (16, 32, 64, 128, 256, 512, 512, 512)
STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)
RATES = (1, 1, 1, 1, 2, 4, 2, 1)
"""Of the eight stages of C and D; in the last two the rate goes down again, and the residual is left out."""


class Variant(NamedTuple):
    """A dilated residual network of kind C or D.

    Args:
        plain: Whether the first two and the last two stages are plain convolutions (D), not blocks (C).
        block: Of stages 3 to 6.
        blocks: Number of blocks, or convolutions, in each of the eight stages.
    """

    plain: bool
    block: Any
    blocks: tuple[int, ...]


VARIANTS = {
    "c_26": Variant(False, BasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    "c_42": Variant(False, BasicBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "c_58": Variant(False, BottleneckBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "d_22": Variant(True, BasicBlock, (1, 1, 2, 2, 2, 2, 1, 1)),
    "d_38": Variant(True, BasicBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "d_54": Variant(True, BottleneckBlock, (1, 1, 3, 4, 6, 3, 1, 1)),
    "d_105": Variant(True, BottleneckBlock, (1, 1, 3, 4, 23, 3, 1, 1)),
}


def DRN(  # noqa: N802
    variant: str = "d_22",
    classes: int = 1000,
    input_shape: Sequence[int | None] = (224, 224, 3),
    channels: Sequence[int] | None = None,
    include_top: bool = True,
    activation: Any = "softmax",
    include_preprocessing: bool = False,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> keras.Model:
    """A dilated residual network: its last map has an eighth of the input's length, as a segmenter needs it.

    Takes `(batch, height, width, channels)`, any size if `input_shape` leaves it open. Returns probabilities, or, without top,
    the last map: `(batch, height / 8, width / 8, filters)`.

    A-50 is ResNet-50 with rates 2 and 4 in the place of its last two strides. C has no pooling in front, where gridding begins,
    and two stages of falling rate without residual behind; D has plain convolutions in the first two and the last two stages.

    | variant | parameters with 1,000 classes | | variant | parameters |
    |---|---|---|---|---|
    | `a_50` | 25,557,032 | | `d_22` | 16,393,752 |
    | `c_26` | 21,126,584 | | `d_38` | 26,501,912 |
    | `c_42` | 31,234,744 | | `d_54` | 35,809,176 |
    | `c_58` | 41,591,608 | | `d_105` | 54,801,304 |

    Stages are called as the reference's layers are: `stem`, `stage1` … `stage8` (C and D) or `stage1` … `stage4` (A), made of
    `stage3_block1` or `stage7_conv1`, …; then `average` and `probabilities`.

    In the reference, `stage7` of C-58 has a projection that nothing is added to. It is here, too, for its weights' sake; Keras
    warns in training that it has no gradient. A-50 keeps the paper's rates, of which the reference's first block of the last
    stage has half: with ResNet-50's weights it computes what ResNet-50 computes, at 16 times the positions.

    Args:
        variant: A row of the table.
        classes: Number of classes.
        input_shape: Height and width, which may be `None`, and channels.
        channels: Filters of the eight stages of C and D, published as 16, 32, 64, 128, 256, 512, 512, 512; bottleneck blocks
            give four times as many.
        include_top: Whether a classifier follows.
        activation: Of the classifier; `None` gives logits.
        include_preprocessing: Whether the model takes pixels, 0 … 255, and normalises them by ImageNet's mean and deviation.
        weights: File of weights (`.weights.h5` or `.keras`), or `None`. PyTorch's: `atrous.surgery.import_weights`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; probabilities are float32.
        name: Name of the model; by default `"drn_"` and the variant.

    Raises:
        ValueError: An argument breaks its rule.
    """
    check_choice("variant", variant, ["a_50", *VARIANTS])
    if variant == "a_50" and channels is not None:
        raise ValueError(f"`channels` must be None with `variant='a_50'`, which is a ResNet. Received: channels={channels!r}.")
    policy = policy_name(dtype)
    options = unit_options(policy)
    inputs = image_input(input_shape)
    x = normalized(inputs, include_preprocessing, policy)
    if variant == "a_50":
        x = residual_features(x, RESNETS["resnet_50"], OUTPUT_STRIDE, None, options)
    else:
        widths = parse_integers("channels", CHANNELS if channels is None else channels, len(CHANNELS))
        x = _features(x, VARIANTS[variant], widths, options)
    if include_top:
        x = classified(x, classes, activation, policy)
    return finished(inputs, x, weights, name or f"drn_{variant}")


def _features(x: Any, variant: Variant, widths: Sequence[int], options: Options) -> Any:
    x = ConvNormActivation(widths[0], 7, padding=3, **options, name="stem")(x)
    for i, (filters, strides, rate, count) in enumerate(zip(widths, STRIDES, RATES, variant.blocks, strict=True), 1):
        name = f"stage{i}"
        if 3 <= i <= 6:
            x = stage(x, variant.block, filters, [rate] * count, strides, name, options)
        elif variant.plain:
            x = _convolutions(x, filters, count, strides, rate, name, options)
        else:
            x = stage(x, BasicBlock, filters, [rate] * count, strides, name, options, **_shortcut(x, i, filters))
    return x


def _convolutions(x: Any, filters: int, count: int, strides: int, rate: int, name: str, options: Options) -> Any:
    for i in range(1, count + 1):
        window = {"strides": strides if i == 1 else 1, "dilation_rate": rate, "padding": rate}
        x = ConvNormActivation(filters, 3, **window, **options, name=f"{name}_conv{i}")(x)
    return layers.Identity(dtype=options["dtype"], name=name)(x)


def _shortcut(x: Any, number: int, filters: int) -> Options:
    """Stages 7 and 8 add nothing; the reference makes a projection there all the same where channels change."""
    return {} if number < 7 else {"residual": False, "projection": x.shape[-1] != filters}
