"""Layers that take a waveform apart into frames."""

from __future__ import annotations

from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.reads import Link, Reads
from atrous.field.registry import Call, rule
from atrous.spec import ConvSpec


@rule(layers.MelSpectrogram)
def _mel_spectrogram(call: Call) -> Reads:
    """(time,) → (bands, frames): frame t is a window around sample t · step; at the edges the waveform is mirrored.

    What a window reads of the mirrored samples it reads of the waveform anyway, but for one sample at the mirror's far end.
    """
    layer, (time,) = call.layer, call.shape
    before = layer.fft_length // 2 - (layer.fft_length - layer.sequence_length) // 2  # the window is in the middle of the FFT
    window = AxisMap.window(layer.sequence_length, layer.sequence_stride, 1, before)
    return Reads((layer.num_mel_bins, 1 + time // layer.sequence_stride), ((Link.one(1, 0, window),),))


@rule(layers.STFTSpectrogram)
def _stft_spectrogram(call: Call) -> Reads:
    """A convolution over time of each channel by itself, all of whose bands are channels."""
    layer = call.layer
    if layer.expand_dims or layer.data_format == "channels_first":
        raise ValueError("it is known only with channels last, and without `expand_dims`")
    step = layer.frame_step or layer.frame_length // 2
    spec = ConvSpec.parse(1, layer.frame_length, strides=step, padding=layer.padding)
    (pads,), (frames,) = spec.pads(call.shape[:1]), spec.output_size(call.shape[:1])
    assert pads is not None
    assert frames is not None
    bands = (layer.fft_length or 1 << (layer.frame_length - 1).bit_length()) // 2 + 1
    channels = call.shape[1] * bands * (2 if layer.mode == "stft" else 1)
    return Reads((frames, channels), ((Link.one(0, 0, AxisMap.window(layer.frame_length, step, 1, pads[0])),),))
