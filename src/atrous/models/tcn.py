"""The temporal convolutional network: a causal stack of dilated residual blocks, for sequences of any kind.

Source: Bai, Kolter, Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
Modeling" (arXiv 1803.01271).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
from keras import layers

from atrous import schedules
from atrous.blocks.temporal import LastStep, TemporalBlock, check_causal
from atrous.blocks.unit import parse_rates
from atrous.spec import parse_integer

OUTPUTS = ("sequence", "last", "horizon")


def TCN(  # noqa: N802
    input_shape: Sequence[int | None] = (None, 1),
    outputs: int = 1,
    filters: int | Sequence[int] = (32, 32, 32, 32, 32, 32, 32, 32),
    kernel_size: int = 3,
    rates: Sequence[int] | None = None,
    output: Literal["sequence", "last", "horizon"] = "sequence",
    horizon: int = 1,
    dropout: float = 0.0,
    gated: bool = False,
    normalization: str | None = "weight",
    padding: str = "causal",
    activation: Any = None,
    kernel_initializer: Any = "he_normal",
    spatial_dropout: bool = True,
    input_dropout: float = 0.0,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str = "tcn",
) -> keras.Model:
    """A temporal convolutional network: one `TemporalBlock` a level, at rates 1, 2, 4, …, and a linear layer.

    Takes `(batch, time, channels)`. Step t of the output sees step t of the input and those before it: with n levels of
    kernel size k, 1 + 2·(k − 1)·(2ⁿ − 1) steps in all. Layers are `block1`, `block2`, …, `last`, `outputs`.

    The paper's networks, by their trainable parameters:

    | task | arguments | parameters |
    |---|---|---|
    | adding problem, T = 600 | `TCN((None, 2), 1, (24,) * 8, 8, output="last")` | 70,369 |
    | copy memory, T = 1000 | `TCN((None, 1), 10, (10,) * 8, 8)` | 12,530 |
    | JSB chorales | `TCN((None, 88), 88, (150,) * 2, 3)` | 269,938 |
    | Nottingham | `TCN((None, 88), 88, (150,) * 4, 6)` | 1,053,238 |

    Args:
        input_shape: Steps, which may be `None`, and channels.
        outputs: Values, or logits, of each step that is returned.
        filters: Channels of each level; one number with `rates`.
        kernel_size: Taps of every convolution.
        rates: Dilation rate of each level; 1, 2, 4, … if `None`.
        output: `"sequence"`: every step, `(batch, time, outputs)`. `"last"`: what the last step says, `(batch, outputs)`.
            `"horizon"`: the same for several steps to come, `(batch, horizon, outputs)`.
        horizon: Number of those steps; only with `output="horizon"`.
        dropout: Share of channels, or of values, dropped behind each convolution in training.
        gated: Whether convolutions are gated, as in `TemporalBlock`.
        normalization: `"weight"`, `"batch"`, `"layer"` or `None`.
        padding: `"causal"`, and nothing else.
        activation: Of the output: `None` gives values or logits.
        kernel_initializer: Of the blocks.
        spatial_dropout: Whether `dropout` drops whole channels or single values, as in `TemporalBlock`.
        input_dropout: Share of the input's values dropped in training.
        weights: File of weights (`.weights.h5` or `.keras`), or `None`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; the output is float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.
    """
    check_causal(padding)
    levels = _levels(filters, rates)
    outputs, horizon = parse_integer("outputs", outputs), parse_integer("horizon", horizon)
    if len(input_shape) != 2 or input_shape[-1] is None:
        raise ValueError(f"`input_shape` must be (steps, channels). Received: input_shape={input_shape!r}.")
    if output not in OUTPUTS:
        raise ValueError(f"`output` must be one of {', '.join(map(repr, OUTPUTS))}. Received: output={output!r}.")
    if horizon > 1 and output != "horizon":
        raise ValueError(f"`horizon` needs `output='horizon'`. Received: horizon={horizon}, output={output!r}.")

    x = inputs = keras.Input(input_shape, name="inputs")
    if input_dropout:
        x = layers.Dropout(input_dropout, dtype=dtype, name="input_dropout")(x)
    for i, (width, rate) in enumerate(levels, 1):
        x = TemporalBlock(
            width,
            kernel_size,
            rate,
            dropout,
            gated,
            normalization,
            kernel_initializer=kernel_initializer,
            spatial_dropout=spatial_dropout,
            dtype=dtype,
            name=f"block{i}",
        )(x)
    if output != "sequence":
        x = LastStep(dtype=dtype, name="last")(x)
    steps = "steps" if output == "horizon" else "outputs"
    x = layers.Dense(horizon * outputs, activation=activation, dtype="float32", name=steps)(x)
    if output == "horizon":
        x = layers.Reshape((horizon, outputs), dtype="float32", name="outputs")(x)
    model = keras.Model(inputs, x, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def _levels(filters: Any, rates: Any) -> list[tuple[int, int]]:
    """Channels and rate of each level."""
    each = tuple(filters) if isinstance(filters, Sequence) else None
    if rates is None:
        if not each:
            raise ValueError(
                f"`filters` must have at least one entry, one a level, or `rates` be given. Received: {filters!r}."
            )
        rates = schedules.powers_of_two(len(each))
    rates = parse_rates(rates)
    each = (filters,) * len(rates) if each is None else each
    if len(each) != len(rates):
        raise ValueError(f"`rates` must have one entry a level. Received: rates={rates}, filters={each}.")
    return [(parse_integer("filters", width), rate) for width, rate in zip(each, rates, strict=True)]
