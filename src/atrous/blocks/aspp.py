"""Atrous spatial pyramid pooling: the same map seen at several rates at once, and as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import Block, Shape, parse_rates, register
from atrous.spec import parse_integer

GLOBAL_POOLS = {
    1: keras.layers.GlobalAveragePooling1D,
    2: keras.layers.GlobalAveragePooling2D,
    3: keras.layers.GlobalAveragePooling3D,
}
REFERENCE_STRIDE = 16
"""The output stride that published rates, such as (6, 12, 18), are given for."""


@register
class ASPP(Block):
    """Atrous spatial pyramid pooling: a 1×1 convolution, a 3×3 one at each rate and image-level features, side by side.

    Input `(batch, height, width, channels)`, output `(batch, height, width, filters)`; without projection its channels are
    `filters` times the number of branches, in this order: `point` (1×1), `dilated1`, `dilated2`, … (3×3), `image`. Behind them
    `project` (1×1) and `dropout`. Each branch is a `ConvNormActivation`.

    Image-level features are the mean over the map, through a 1×1 unit, and back to the size of the map. Bilinear up-sampling
    of one position is that position everywhere: they are broadcast, at any size.

    Args:
        filters: Channels of each branch, and of the output. Published: 256.
        rates: A rate a 3×3 branch. Published: 6, 12, 18.
        image_pooling: Whether there are image-level features.
        project: Whether a 1×1 unit mixes the branches.
        dropout: Share of the output that is dropped in training: 0.1 in the authors' code, 0.5 in torchvision's.
        output_stride: Of the map. `rates` are those for an output stride of 16, and are multiplied by 16 / `output_stride`.
        **kwargs: How the units are, as for `Block`: `normalization`, `activation`, `separable`, `rank`, …; `name`, `dtype`.

    Raises:
        ValueError: An argument breaks its rule.

    Warns once where a rate reaches the length of the map: all taps but the middle one are in the padding then.

    Source: Chen, Papandreou, Schroff, Adam 2017, "Rethinking Atrous Convolution for Semantic Image Segmentation", section 3.3
    (arXiv 1706.05587); separable as in DeepLabv3+ (Chen et al. 2018, arXiv 1802.02611).
    """

    def __init__(
        self,
        filters: int,
        rates: Sequence[int],
        image_pooling: bool = True,
        project: bool = True,
        dropout: float = 0.0,
        output_stride: int = REFERENCE_STRIDE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = parse_integer("filters", filters)
        self.rates = parse_rates(rates)
        self.output_stride = parse_integer("output_stride", output_stride)
        self.image_pooling, self.has_projection, self.dropout_rate = image_pooling, project, dropout
        self.scaled_rates = _scaled(self.rates, self.output_stride)
        self.branches = [self.unit(filters, 1, name="point")]
        for i, rate in enumerate(self.scaled_rates, 1):
            self.branches.append(self.unit(filters, 3, dilation_rate=rate, name=f"dilated{i}"))
        self.pool = self.image = self.project = self.dropout = None
        if image_pooling:
            layout = {"data_format": self.data_format, "dtype": self.dtype_policy}
            self.pool = GLOBAL_POOLS[self.rank](keepdims=True, **layout, name="pool")
            self.image = self.unit(filters, 1, name="image")
        self.concat = keras.layers.Concatenate(self.channel_axis, dtype=self.dtype_policy, name="concat")
        if project:
            self.project = self.unit(filters, 1, name="project")
        if dropout:
            self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        self._has_warned = False

    def build(self, input_shape: Shape) -> None:
        """Builds every branch, and the projection on all of them."""
        for branch in self.branches:
            branch.build(input_shape)
        if self.image is not None and self.pool is not None:
            self.pool.build(input_shape)
            self.image.build(self.pool.compute_output_shape(input_shape))
        shapes = [self.with_channels(input_shape, self.filters)] * self._branch_count
        self.concat.build(shapes)
        joined = self.with_channels(input_shape, self.filters * self._branch_count)
        for layer in (self.project, self.dropout):
            if layer is not None:
                layer.build(joined)
        self._warn(self.space(input_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Looks through every branch, joins them, projects."""
        self._warn(self.space(inputs.shape))
        maps = [branch(inputs, training=training) for branch in self.branches]
        if self.image is not None and self.pool is not None:
            image = self.image(self.pool(inputs), training=training)
            maps.append(ops.add(image, ops.zeros_like(maps[0])))  # at any size, `broadcast_to` takes one that is known
        x = self.concat(maps)
        if self.project is not None:
            x = self.project(x, training=training)
        return x if self.dropout is None else self.dropout(x, training=training)

    @property
    def _branch_count(self) -> int:
        return len(self.branches) + (self.image is not None)

    def _warn(self, sizes: Shape) -> None:
        """Warns, the first time, of rates that reach the map."""
        shortest = min((n for n in sizes if n is not None), default=None)
        reached = [rate for rate in self.scaled_rates if shortest is not None and rate >= shortest]
        if reached and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                "`rates` should be below the size of the map: from there on, all taps of a 3×3 convolution but the middle one "
                f"are in the padding. Received: rates {reached} on a map of size {tuple(sizes)}, in layer {self.name!r}.",
                stacklevel=3,
            )

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output; unknown lengths stay `None`."""
        return self.with_channels(input_shape, self.filters * (1 if self.has_projection else self._branch_count))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "rates": self.rates,
            "image_pooling": self.image_pooling,
            "project": self.has_projection,
            "dropout": self.dropout_rate,
            "output_stride": self.output_stride,
        }


def _scaled(rates: tuple[int, ...], output_stride: int) -> tuple[int, ...]:
    """Rates for a map of this output stride."""
    if any(rate * REFERENCE_STRIDE % output_stride for rate in rates):
        raise ValueError(
            f"`rates` must stay integers when they are multiplied by {REFERENCE_STRIDE} / `output_stride`. "
            f"Received: rates={rates}, output_stride={output_stride}."
        )
    return tuple(rate * REFERENCE_STRIDE // output_stride for rate in rates)
