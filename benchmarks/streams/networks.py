"""The networks, in Keras.

Sources: van den Oord et al. 2016, "WaveNet" (arXiv 1609.03499); Atkinson, "Neural Amp Modeler", whose architecture A1
"standard" is two stacks of WaveNet-like layers that end in a tanh without a gate; Bai et al. 2018 (arXiv 1803.01271).
"""

from __future__ import annotations

import keras
import numpy as np

from atrous import models, schedules
from atrous.layers import Conv1D

RATES = schedules.powers_of_two(10)


def wavenet() -> keras.Model:
    """24 layers in three cycles of eight rates; 64 residual, 128 skip, 256 output channels."""
    return models.WaveNet(rates=schedules.powers_of_two(8), stacks=3, filters=64, skip_filters=128, kernel_size=2)


def amplifier() -> keras.Model:
    """Neural Amp Modeler's A1 "standard": stacks of 16 and 8 channels, each of ten rates with three taps, on one channel."""
    condition = inputs = keras.Input((None, 1), name="inputs")
    x, head = inputs, None
    for stack, (channels, head_channels) in enumerate(((16, 8), (8, 1)), 1):
        x = Conv1D(channels, 1, use_bias=False, name=f"rechannel{stack}")(x)
        for i, rate in enumerate(RATES, 1):
            name = f"stack{stack}_layer{i}"
            z = Conv1D(channels, 3, dilation_rate=rate, padding="causal", name=f"{name}_conv")(x)
            z = z + Conv1D(channels, 1, use_bias=False, name=f"{name}_condition")(condition)
            z = keras.layers.Activation("tanh", name=f"{name}_tanh")(z)
            head = z if head is None else head + z
            if (stack, i) != (2, len(RATES)):  # nothing reads the last one
                x = x + Conv1D(channels, 1, name=f"{name}_residual")(z)
        head = Conv1D(head_channels, 1, use_bias=stack == 2, name=f"head{stack}")(head)
    return keras.Model(inputs, head, name="amplifier")


def tcn() -> keras.Model:
    """Ten levels of 64 channels."""
    return models.TCN((None, 64), 1, filters=(64,) * 10, kernel_size=3, normalization=None)


def with_random_biases(model: keras.Model) -> keras.Model:
    """Biases begin at zero, where a mistake with them wouldn't be seen."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith("bias"):
            weight.assign(0.1 * rng.standard_normal(weight.shape))
    return model
