"""Layers of a clip classifier: how long a clip is, its level, masks of training, pooling over what is no padding.

They compute in float32: lengths are numbers that shorter types don't hold.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import register
from atrous.spec import parse_integer

_TIME, _FREQUENCY = 0.2, 0.25  # longest mask, as shares of clip and bands
_LEAST = 1e-6  # of levels: a silent clip stays silent


@register
class ClipLength(keras.layers.Layer):
    """How many samples there are up to the last one that isn't zero: (batch, time) to (batch,), at least 1."""

    def call(self, inputs: Any) -> Any:
        """Counts."""
        places = ops.arange(1, ops.shape(inputs)[1] + 1, dtype="int32")
        last = ops.max(ops.where(ops.not_equal(inputs, 0), places, 0), axis=1)
        return ops.cast(ops.maximum(last, 1), "float32")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """A number a clip."""
        return input_shape[:1]

    def compute_output_spec(self, inputs: Any) -> Any:
        """The same, without a trace: there may be any number of samples."""
        return keras.KerasTensor(inputs.shape[:1], "float32")


@register
class ClipLevel(keras.layers.Layer):
    """Brings clips to a mean of 0 and a root mean square of 1, over their samples without padding, which stays 0.

    Takes samples (batch, time) and their number (batch,); gives (batch, time).
    """

    def call(self, inputs: Any) -> Any:
        """Shifts and scales."""
        samples, length = inputs
        there = present(samples, length)
        number = ops.expand_dims(length, 1)
        centred = (samples - ops.sum(samples * there, axis=1, keepdims=True) / number) * there
        largest = ops.maximum(ops.max(ops.abs(centred), axis=1, keepdims=True), _LEAST)
        centred = centred / largest  # squares of what float files may hold would be infinite
        level = ops.sqrt(ops.sum(ops.square(centred), axis=1, keepdims=True) / number)
        return centred / ops.maximum(level, _LEAST)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the samples."""
        return input_shape[0]


@register
class LogPower(keras.layers.Layer):
    """Powers to logarithms, ln(x + 0.001): what lies far below a level of 1 is alike."""

    def call(self, inputs: Any) -> Any:
        """Takes it."""
        return ops.log(ops.maximum(inputs, 0.0) + 1e-3)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The same."""
        return input_shape


@register
class SpectrogramMasks(keras.layers.Layer):
    """SpecAugment's masks (Park et al. 2019, arXiv 1904.08779): in training, stretches and bands become the clip's mean.

    Takes frames (batch, time, bands) and the number of samples of each clip, (batch,); gives frames. Each mask has a length
    of its own in each clip, drawn evenly: stretches up to a fifth of the clip, bands up to a quarter of all.

    Args:
        time_masks: Stretches.
        frequency_masks: Bands.
        step: Samples between frames.
        seed: Of the draws.
        **kwargs: `name`, `dtype`.
    """

    def __init__(
        self, time_masks: int = 2, frequency_masks: int = 2, step: int = 1, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.time_masks = parse_integer("time_masks", time_masks, minimum=0)
        self.frequency_masks = parse_integer("frequency_masks", frequency_masks, minimum=0)
        self.step, self.seed = parse_integer("step", step), seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Masks, in training."""
        frames, length = inputs
        if not training:
            return frames
        number = frames_of(length, self.step, ops.shape(frames)[1])
        there = ops.expand_dims(_before(ops.shape(frames)[1], number), 2)
        share = ops.sum(there, axis=1, keepdims=True) * frames.shape[2]
        mean = ops.sum(frames * there, axis=(1, 2), keepdims=True) / share
        kept = there
        for _ in range(self.time_masks):
            kept = kept * ops.expand_dims(self._outside(ops.shape(frames)[1], number, _TIME), 2)
        bands = ops.zeros_like(number) + frames.shape[2]
        for _ in range(self.frequency_masks):
            kept = kept * ops.expand_dims(self._outside(frames.shape[2], bands, _FREQUENCY), 1)
        masked = ops.where(kept > 0, frames, mean)
        return ops.where(there > 0, masked, frames)

    def _outside(self, count: Any, total: Any, share: float) -> Any:
        """1 outside of a stretch of the first `total` places, 0 in it: (batch, count)."""
        drawn = keras.random.uniform((2, *ops.shape(total)), seed=self.generator)
        size = ops.floor(drawn[0] * (share * total + 1))
        first = ops.expand_dims(ops.floor(drawn[1] * (total - size + 1)), 1)
        places = ops.expand_dims(ops.cast(ops.arange(count, dtype="int32"), "float32"), 0)
        inside = ops.logical_and(places >= first, places < first + ops.expand_dims(size, 1))
        return 1.0 - ops.cast(inside, "float32")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the frames."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"time_masks": self.time_masks, "frequency_masks": self.frequency_masks, "step": self.step, "seed": self.seed}
        return {**super().get_config(), **own}


@register
class ClipPooling(keras.layers.Layer):
    """The mean over a clip's frames, without those of its padding.

    Takes frames (batch, time, channels) and the number of samples of each clip, (batch,); gives (batch, channels).

    Args:
        step: Samples between frames.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, step: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = parse_integer("step", step)

    def call(self, inputs: Any) -> Any:
        """Pools."""
        frames, length = inputs
        number = frames_of(length, self.step, ops.shape(frames)[1])
        there = ops.expand_dims(_before(ops.shape(frames)[1], number), 2)
        return ops.sum(frames * there, axis=1) / ops.expand_dims(number, 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """A mean a channel."""
        batch, _, channels = input_shape[0]
        return batch, channels

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "step": self.step}


def frames_of(length: Any, step: int, frames: Any) -> Any:
    """How many frames begin within a clip: (batch,), between 1 and all."""
    return ops.minimum(ops.ceil(length / step), ops.cast(frames, "float32"))


def present(samples: Any, length: Any) -> Any:
    """1 up to a clip's length, 0 behind: (batch, time)."""
    return _before(ops.shape(samples)[1], length)


def _before(count: Any, number: Any) -> Any:
    places = ops.expand_dims(ops.cast(ops.arange(count, dtype="int32"), "float32"), 0)
    return ops.cast(ops.less(places, ops.expand_dims(number, 1)), "float32")  # not `<`, which can't be followed
