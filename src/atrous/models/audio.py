"""The clip classifier: samples in, probabilities out, by dilated blocks on the waveform or on a log-mel spectrogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from atrous.blocks import BasicBlock, ConvNormActivation
from atrous.models.audio_layers import ClipLength, ClipLevel, ClipPooling, LogPower, SpectrogramMasks
from atrous.spec import parse_integer

NETWORKS = ("mel", "raw")
"""What the dilated blocks work on: a log-mel spectrogram, or what strided convolutions make of the waveform."""
SEES = 1.0
"""Seconds that the default rates see at least."""
_STEP = {"mel": 0.010, "raw": 0.008}  # seconds between frames; of "raw" roughly, for strides are powers of two
_WINDOW = 0.025  # seconds of a frame of the spectrogram
_MOMENTUM = 0.9  # of statistics: small sets have few steps an epoch, and Keras's 0.99 would lag behind for several


@keras.saving.register_keras_serializable("atrous")
class ClipClassifier(keras.Model):
    """Level → front → dilated residual blocks → pooling over the clip → Dropout → Dense classes.

    Takes samples, (batch, time), and returns probabilities, (batch, classes). A clip that is shorter than the others of a batch
    is followed by zeros; behind its last sample that isn't zero nothing is pooled.

    The front is a log-mel spectrogram of 25 ms windows every 10 ms (`network="mel"`; `keras.layers.MelSpectrogram`), or three
    strided convolutions, the first as long as a window of 8 ms (`network="raw"`, in the manner of Dai et al. 2017, arXiv
    1610.00087), and has 100 or about 125 frames a second. Each block has two convolutions of 3 taps at its rate. Front (without
    the spectrogram) and blocks are the layer `body`.

    Args:
        classes: Number of classes.
        sample_rate: Of the samples, in Hz; an attribute, and saved.
        network: One of `NETWORKS`.
        rates: Dilation rate of each block.
        filters: Channels of each block.
        mels: Bins of the spectrogram, from 20 Hz to half the sample rate.
        normalize_level: Whether each clip is brought to a mean of 0 and a root mean square of 1, so that neither loudness nor
            offset tells its class.
        time_masks: Stretches of the frames that are masked in training, each of up to a fifth of the clip.
        frequency_masks: Bands of the spectrogram that are masked in training, each of up to a quarter of it (SpecAugment: Park
            et al. 2019, arXiv 1904.08779).
        dropout: Share of the pooled channels dropped in training.
        class_names: A name for each class; an attribute, and saved.
        dtype: Type or policy of body and last layers; the spectrogram is float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        classes: int,
        sample_rate: int = 16000,
        network: str = "mel",
        rates: Sequence[int] = (1, 2, 4, 8, 16),
        filters: int = 32,
        mels: int = 40,
        normalize_level: bool = True,
        time_masks: int = 0,
        frequency_masks: int = 0,
        dropout: float = 0.2,
        class_names: Sequence[str] | None = None,
        dtype: Any = None,
        name: str = "clip_classifier",
    ) -> None:
        classes, filters = parse_integer("classes", classes), parse_integer("filters", filters)
        sample_rate, mels = parse_integer("sample_rate", sample_rate, minimum=1000), parse_integer("mels", mels, minimum=2)
        rates = tuple(parse_integer("rates", rate) for rate in rates)
        if network not in NETWORKS:
            raise ValueError(f"`network` must be one of {', '.join(NETWORKS)}. Received: network={network!r}.")
        if not rates:
            raise ValueError("`rates` must have at least one rate: one residual block a rate. Received: rates=().")
        if frequency_masks and network == "raw":
            raise ValueError(
                "`frequency_masks` must be 0 with `network='raw'`: a waveform has no bands. "
                f"Received: frequency_masks={frequency_masks}."
            )
        if class_names is not None and len(class_names) != classes:
            raise ValueError(f"`class_names` must have {classes} entries, one a class. Received: class_names={class_names!r}.")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy()).name

        samples = keras.Input((None,), name="samples")
        length = ClipLength(dtype="float32", name="length")(samples)
        x = samples
        if normalize_level:
            x = ClipLevel(dtype="float32", name="level")([x, length])
        step = frame_step(network, sample_rate)
        if network == "mel":
            x = spectrogram_layer(sample_rate, mels)(x)
            x = layers.Permute((2, 1), dtype="float32", name="frames")(x)
            x = LogPower(dtype="float32", name="log")(x)
            if time_masks or frequency_masks:
                x = SpectrogramMasks(time_masks, frequency_masks, step, dtype="float32", name="masks")([x, length])
        else:
            x = layers.Reshape((-1, 1), dtype="float32", name="waveform")(x)
            if time_masks:
                x = SpectrogramMasks(time_masks, 0, 1, dtype="float32", name="masks")([x, length])
        x = _body(network, sample_rate, rates, filters, mels, policy)(x)
        x = ClipPooling(step, dtype="float32", name="pooling")([x, length])
        x = layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        # Probabilities stay float32 under mixed precision: their logarithm is the loss.
        outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
        super().__init__(samples, outputs, name=name)

        self.class_names = None if class_names is None else tuple(class_names)
        self.sample_rate = sample_rate
        self._arguments = {
            "classes": classes,
            "sample_rate": sample_rate,
            "network": network,
            "rates": rates,
            "filters": filters,
            "mels": mels,
            "normalize_level": normalize_level,
            "time_masks": time_masks,
            "frequency_masks": frequency_masks,
            "dropout": dropout,
            "class_names": self.class_names and list(self.class_names),
            "dtype": policy,
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**self._arguments, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> ClipClassifier:
        """Builds the model again from `get_config`."""
        return cls(**config)


def frame_step(network: str, sample_rate: int) -> int:
    """Samples between frames.

    >>> frame_step("mel", 16000), frame_step("raw", 8000), frame_step("raw", 44100)
    (160, 64, 256)
    """
    return round(_STEP["mel"] * sample_rate) if network == "mel" else math.prod(_strides(sample_rate))


def field_seconds(network: str, sample_rate: int, rates: Sequence[int]) -> float:
    """What a frame sees behind the last block, in seconds: two convolutions of three taps a block, and the front.

    >>> round(field_seconds("mel", 8000, (1, 2, 4, 8, 16)), 3)
    1.285
    """
    step = frame_step(network, sample_rate)
    frames = 1 + 4 * sum(rates)
    if network == "mel":  # the layer in front of the blocks has 3 taps, too
        return ((frames + 2 - 1) * step + _window(sample_rate)) / sample_rate
    reach, stride = 1, 1
    for kernel, each in zip(_kernels(sample_rate), _strides(sample_rate), strict=True):
        reach, stride = reach + (kernel - 1) * stride, stride * each
    return ((frames - 1) * step + reach) / sample_rate


def default_rates(network: str, sample_rate: int) -> tuple[int, ...]:
    """1, 2, 4, … until a frame sees a second.

    >>> default_rates("mel", 8000), default_rates("raw", 8000)
    ((1, 2, 4, 8, 16), (1, 2, 4, 8, 16))
    """
    rates: tuple[int, ...] = (1,)
    while field_seconds(network, sample_rate, rates) < SEES:
        rates = (*rates, 2 * rates[-1])
    return rates


def spectrogram_layer(sample_rate: int, mels: int) -> keras.layers.Layer:
    """(batch, time) samples to (batch, mels, frames), powers: windows of 25 ms every 10 ms."""
    window = _window(sample_rate)
    return layers.MelSpectrogram(
        fft_length=2 ** math.ceil(math.log2(window)),
        sequence_stride=frame_step("mel", sample_rate),
        sequence_length=window,
        sampling_rate=sample_rate,
        num_mel_bins=mels,
        min_freq=20.0,
        power_to_db=False,  # the layer's decibels are cut below the loudest of the whole batch
        dtype="float32",
        name="mel",
    )


def _body(network: str, sample_rate: int, rates: Sequence[int], filters: int, mels: int, policy: str) -> keras.Model:
    """The convolutions: (batch, frames or samples, channels) → (batch, frames, filters)."""
    inputs = x = keras.Input((None, mels if network == "mel" else 1), name="inputs")
    norm = {"module": "keras.layers", "class_name": "BatchNormalization", "config": {"momentum": _MOMENTUM}}
    if network == "mel":
        x = layers.BatchNormalization(momentum=_MOMENTUM, dtype=policy, name="scale")(x)
        x = ConvNormActivation(filters, 3, rank=1, normalization=norm, dtype=policy, name="first")(x)
    else:
        widths = (max(8, filters // 2), filters, filters)
        shapes = zip(widths, _kernels(sample_rate), _strides(sample_rate), strict=True)
        for i, (width, kernel, stride) in enumerate(shapes, 1):
            x = ConvNormActivation(width, kernel, strides=stride, rank=1, normalization=norm, dtype=policy, name=f"stem{i}")(x)
    for i, rate in enumerate(rates, 1):
        x = BasicBlock(filters, dilation_rate=rate, rank=1, normalization=norm, dtype=policy, name=f"block{i}")(x)
    return keras.Model(inputs, x, name="body")


def _window(sample_rate: int) -> int:
    return round(_WINDOW * sample_rate)


def _strides(sample_rate: int) -> tuple[int, int, int]:
    """Three powers of two, whose product is next to the samples of a frame."""
    power = max(3, round(math.log2(_STEP["raw"] * sample_rate)))
    return 2 ** ((power + 2) // 3), 2 ** ((power + 1) // 3), 2 ** (power // 3)


def _kernels(sample_rate: int) -> tuple[int, int, int]:
    """The first is as long as a frame, so that it tells frequencies apart; the others overlap by half."""
    first, second, third = _strides(sample_rate)
    return first * second * third, 2 * second, 2 * third
