"""The context module of Yu and Koltun, which begins as the identity, and the front end that it refines.

Source: Yu & Koltun 2016, "Multi-Scale Context Aggregation by Dilated Convolutions" (arXiv 1511.07122).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import keras
import numpy as np
from keras import ops

from atrous.blocks.unit import Block, Shape, build_chain, call_chain, parse_rates, register
from atrous.spec import parse_integer, parse_integers

RATES = (1, 1, 2, 4, 8, 16, 1)
SIZES = ("basic", "large")
CONVOLUTIONS = ((2, 1), (2, 1), (3, 1), (3, 1), (3, 2))
"""Number of 3×3 layers and their rate in each stage of the front end."""

POOLINGS = 3
"""Stages of the front end that end with pooling; VGG-16 has five."""

TIE_BREAKING = 1e-3
"""Standard deviation of the noise in a large module, in units of C / cᵢ₊₁; the paper asks for much less than one such unit."""


@register
class ContextIdentity(keras.initializers.Initializer):
    """Kernels of layers that hand maps on unchanged: equations 4 (with `noise=0`) and 5 of the paper.

    From c input maps to d output maps, of which C belong together, the tap in the middle is C/d where ⌊aC/c⌋ = ⌊bC/d⌋ for input
    map a and output map b; all else is normal noise of standard deviation `noise`·C/d. A chain of such layers, without noise,
    that begins and ends with C maps, and has biases of 0 and `relu`, returns what isn't negative.

    Args:
        maps: C, which divides the input and output channels of every layer.
        noise: Breaks ties between maps that have the same predecessor.
        seed: Of the noise.
    """

    def __init__(self, maps: int, noise: float = 0.0, seed: int | None = None) -> None:
        self.maps, self.noise, self.seed = parse_integer("maps", maps), noise, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """The kernel, (*taps, input channels, output channels)."""
        *taps, channels, filters = shape
        if channels % self.maps or filters % self.maps or not all(k % 2 for k in taps):
            raise ValueError(
                "`shape` must have an odd number of taps, and channels that are multiples of `maps`. "
                f"Received: shape={tuple(shape)}, maps={self.maps}."
            )
        dtype = dtype or keras.config.floatx()
        unit = self.maps / filters
        kept = np.zeros(shape, bool)
        same = np.arange(channels)[:, None] * self.maps // channels == np.arange(filters) * self.maps // filters
        kept[tuple(k // 2 for k in taps)] = same
        kernel = ops.cast(ops.convert_to_tensor(unit * kept), dtype)
        if not self.noise:
            return kernel
        noise = keras.initializers.RandomNormal(stddev=self.noise * unit, seed=self.seed)(shape, dtype)
        return ops.where(kept, kernel, noise)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"maps": self.maps, "noise": self.noise, "seed": self.seed}


@register
class ContextModule(Block):
    """Seven 3×3 convolutions at rates 1, 1, 2, 4, 8, 16, 1, and a 1×1 one: each output sees 67×67 at the input's resolution.

    Input and output `(batch, height, width, C)`. All layers but the last end with an activation. With the identity as beginning
    the module returns its input where that isn't negative, exactly so without noise: it can be put behind a trained network.
    The layers are `conv1` … `conv7` and `final`.

    Args:
        channels: C, by default that of the input.
        size: `"basic"`: C maps in every layer. `"large"`: 2C, 2C, 4C, 8C, 16C, 32C, 32C and C.
        rates: Of the 3×3 layers. A large module has 2·max(rates so far)·C maps.
        identity: Whether kernels begin as the identity; otherwise as `kernel_initializer` says.
        noise: Standard deviation of the noise on the identity, in units of C / output maps. `None`: 0 in a basic module
            (equation 4), 0.001 in a large one (equation 5), where it breaks ties.
        padding: `"same"`: each layer keeps the size. `"valid"`: together they take 33 positions away on every side; zeros of
            that width in front once, as in the released networks, give the size back.
        **kwargs: How the units are, as for `Block`, here by default without normalisation; `name`, `dtype`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        channels: int | None = None,
        size: str = "basic",
        rates: Sequence[int] = RATES,
        identity: bool = True,
        noise: float | None = None,
        padding: str = "same",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"normalization": None, **kwargs})
        if size not in SIZES:
            raise ValueError(f"`size` must be one of {', '.join(map(repr, SIZES))}. Received: size={size!r}.")
        self.channels = None if channels is None else parse_integer("channels", channels)
        self.size, self.identity, self.noise, self.padding = size, identity, noise, padding
        self.rates = parse_rates(rates)
        self.convs: list[keras.layers.Layer] = []

    def build(self, input_shape: Shape) -> None:
        """Makes the layers, now that the number of maps is known, and builds them."""
        maps = input_shape[self.channel_axis]
        if maps is None or self.channels not in (None, maps):
            raise ValueError(
                "The input must have as many channels as the module, a known number. "
                f"Received: channels={self.channels}, input_shape={tuple(input_shape)}."
            )
        window = {"padding": self.padding, **self._initializer(maps)}
        widths = [maps * multiple for multiple in self._multiples]
        self.convs = [
            self.unit(width, 3, dilation_rate=rate, name=f"conv{i}", **window)
            for i, (width, rate) in enumerate(zip(widths, self.rates, strict=True), 1)
        ]
        self.convs.append(self.unit(maps, 1, name="final", activation=None, normalization=None, **window))
        build_chain(self.convs, input_shape)

    @property
    def _multiples(self) -> list[int]:
        return [1] * len(self.rates) if self.size == "basic" else [2 * most for most in accumulate(self.rates, max)]

    def _initializer(self, maps: int) -> dict[str, Any]:
        if not self.identity:
            return {}
        noise = self.noise
        if noise is None:
            noise = TIE_BREAKING if self.size == "large" else 0.0
        return {"kernel_initializer": ContextIdentity(maps, noise)}

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Layer after layer."""
        return call_chain(self.convs, inputs, training)

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output; unknown lengths stay `None`."""
        less = 2 * sum(self.rates) if self.padding == "valid" else 0
        space = [None if n is None else n - less for n in self.space(input_shape)]
        last = self.data_format == "channels_last"
        return (input_shape[0], *space, input_shape[-1]) if last else (*input_shape[:2], *space)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "channels": self.channels,
            "size": self.size,
            "rates": self.rates,
            "identity": self.identity,
            "noise": self.noise,
            "padding": self.padding,
        }


@register
class FrontEnd(Block):
    """VGG-16 made dense: its last two poolings are gone, convolutions behind them are dilated instead.

    Input `(batch, height, width, channels)`, output `(batch, height / 8, width / 8, filters)`: maps for the context module. The
    rate is 2 in the fifth stage and 4 in `fc6` (7×7). The layers are `conv1_1` … `conv5_3`, `pool1` … `pool3`, `fc6`, `fc7` and
    `final`.

    Args:
        filters: Maps of the output: the number of classes.
        widths: Channels of the five stages and of `fc6` and `fc7`.
        dropout: Share dropped behind `fc6` and `fc7` in training.
        padding: `"same"`, or `"valid"` as in the paper, where images are padded by their mirror image.
        **kwargs: How the units are, as for `Block`, here by default without normalisation; `name`, `dtype`.
    """

    def __init__(
        self,
        filters: int,
        widths: Sequence[int] = (64, 128, 256, 512, 512, 4096),
        dropout: float = 0.5,
        padding: str = "same",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"normalization": None, **kwargs})
        self.filters, self.dropout, self.padding = parse_integer("filters", filters), dropout, padding
        self.widths = parse_integers("widths", widths, len(CONVOLUTIONS) + 1)
        self.chain: list[keras.layers.Layer] = []
        for stage, (count, rate) in enumerate(CONVOLUTIONS):
            for i in range(count):
                name = f"conv{stage + 1}_{i + 1}"
                self.chain.append(self.unit(self.widths[stage], 3, dilation_rate=rate, padding=padding, name=name))
            if stage < POOLINGS:
                self.chain.append(self._pool(f"pool{stage + 1}"))
        for name, kernel_size, rate in (("fc6", 7, 4), ("fc7", 1, 1)):
            self.chain.append(self.unit(self.widths[-1], kernel_size, dilation_rate=rate, padding=padding, name=name))
            self.chain.append(keras.layers.Dropout(dropout, dtype=self.dtype_policy, name=f"{name}_dropout"))
        self.chain.append(self.unit(filters, 1, activation=None, normalization=None, name="final"))

    def _pool(self, name: str) -> keras.layers.Layer:
        pool = {1: keras.layers.MaxPooling1D, 2: keras.layers.MaxPooling2D, 3: keras.layers.MaxPooling3D}[self.rank]
        return pool(2, padding=self.padding, data_format=self.data_format, dtype=self.dtype_policy, name=name)

    def build(self, input_shape: Shape) -> None:
        """Builds layer after layer."""
        build_chain(self.chain, input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Layer after layer."""
        return call_chain(self.chain, inputs, training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output; unknown lengths stay `None`."""
        for layer in self.chain:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "widths": self.widths,
            "dropout": self.dropout,
            "padding": self.padding,
        }
