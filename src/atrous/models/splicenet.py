"""SpliceAI's network: a label for every nucleotide of a sequence, from up to 10,000 nucleotides around it.

Source: Jaganathan et al. 2019, "Predicting Splicing from Primary Sequence with Deep Learning", figure 1 and its supplement (doi
10.1016/j.cell.2018.12.015).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from keras import layers

from atrous.blocks.splice import SpliceBlock
from atrous.layers import Conv1D
from atrous.spec import parse_integer

STAGES = ((11, 1), (11, 4), (21, 10), (41, 25))
"""Kernel size and rate of the blocks in each stage of the largest variant."""

VARIANTS = {"80nt": STAGES[:1], "400nt": STAGES[:2], "2k": STAGES[:3], "10k": STAGES}
"""Stages by the number of nucleotides around one that decide its label: 40, 200, 1,000 or 5,000 on either side."""

BLOCKS = 4
"""In each stage."""


def SpliceNet(  # noqa: N802
    variant: str | Sequence[tuple[int, int]] = "10k",
    classes: int = 3,
    input_shape: Sequence[int | None] = (None, 4),
    filters: int = 32,
    blocks: int = BLOCKS,
    crop: bool = True,
    activation: Any = None,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str = "splicenet",
) -> keras.Model:
    """The network of SpliceAI: 1×1 → stages of residual blocks → sum of a 1×1 behind the first layer and each stage → 1×1.

    Takes one-hot nucleotides `(batch, context/2 + length + context/2, 4)` and returns logits `(batch, length, classes)`, in the
    original for "no splice site", "acceptor", "donor"; unknown nucleotides are four zeros. Layers are `stem`,
    `stage1_block1` … `stage4_block4`, `skip0` … `skip4`, `skips` (their sum), `crop` and `outputs`.

    | variant | blocks: taps, rate | sees | crop on each side | trainable parameters |
    |---|---|---|---|---|
    | `"80nt"` | 4 × (11, 1) | 81 | 40 | 93,251 |
    | `"400nt"` | and 4 × (11, 4) | 401 | 200 | 185,187 |
    | `"2k"` | and 4 × (21, 10) | 2,001 | 1,000 | 359,043 |
    | `"10k"` | and 4 × (41, 25) | 10,001 | 5,000 | 696,739 |

    Args:
        variant: Name of a variant, or taps and rate of the blocks in each stage.
        classes: Number of labels.
        input_shape: Positions, which may be `None`, and channels.
        filters: Channels of every layer but the last.
        blocks: Residual blocks in each stage, of two convolutions each.
        crop: Whether the positions are taken away that don't see all of their context; otherwise zeros stand in for it.
        activation: Of the output: `None` gives logits, `"softmax"` the original's probabilities.
        weights: File of weights (`.weights.h5` or `.keras`), or `None`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; the output is float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.
    """
    stages = _stages(variant)
    classes, filters, blocks = (
        parse_integer("classes", classes),
        parse_integer("filters", filters),
        parse_integer("blocks", blocks),
    )
    if len(input_shape) != 2 or input_shape[-1] is None:
        raise ValueError(f"`input_shape` must be (positions, channels). Received: input_shape={input_shape!r}.")
    context = sum(2 * blocks * (taps - 1) * rate for taps, rate in stages)
    if crop and input_shape[0] is not None and input_shape[0] <= context:
        raise ValueError(
            f"`input_shape` must have more than the {context} positions that are cropped, or `crop` be False. "
            f"Received: input_shape={tuple(input_shape)}."
        )

    def pointwise(name: str) -> Conv1D:
        return Conv1D(filters, 1, data_format="channels_last", dtype=dtype, name=name)

    inputs = keras.Input(input_shape, name="inputs")
    x = pointwise("stem")(inputs)
    skips = [pointwise("skip0")(x)]
    for stage, (taps, rate) in enumerate(stages, 1):
        for block in range(1, blocks + 1):
            x = SpliceBlock(filters, taps, rate, dtype=dtype, name=f"stage{stage}_block{block}")(x)
        skips.append(pointwise(f"skip{stage}")(x))
    x = layers.Add(dtype=dtype, name="skips")(skips)
    if crop:
        x = layers.Cropping1D(context // 2, dtype=dtype, name="crop")(x)
    x = layers.Dense(classes, activation=activation, dtype="float32", name="outputs")(x)  # 1×1
    model = keras.Model(inputs, x, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def _stages(variant: Any) -> tuple[tuple[int, int], ...]:
    """Taps and rate of each stage."""
    if isinstance(variant, str):
        if variant not in VARIANTS:
            raise ValueError(f"`variant` must be one of {', '.join(map(repr, VARIANTS))}. Received: variant={variant!r}.")
        return VARIANTS[variant]
    stages = tuple(variant)
    if not stages or any(not isinstance(stage, Sequence) or len(stage) != 2 for stage in stages):
        raise ValueError(
            "`variant` must be a name, or taps and rate of at least one stage, as in ((11, 1), (11, 4)). "
            f"Received: variant={variant!r}."
        )
    return tuple((parse_integer("taps", taps), parse_integer("rate", rate)) for taps, rate in stages)
