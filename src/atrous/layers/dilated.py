"""What every dilated layer adds to the Keras layer it subclasses."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from atrous.spec import ConvSpec, parse_integer

Shape = Sequence[int | None]

COUNTS = ("filters", "depth_multiplier")


class Dilated:
    """Mixin in front of a Keras convolution layer of rank `rank`.

    The Keras constructor sees a rate of 1 and `"valid"`, because it refuses what we allow; the real values are set afterwards.
    """

    rank: int

    if not TYPE_CHECKING:  # editors show the Keras layer's own signature

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            bound = inspect.signature(super().__init__).bind(*args, **kwargs)
            given = {**bound.arguments, **bound.arguments.get("kwargs", {})}
            for name in COUNTS:
                if name in given:
                    parse_integer(name, given[name])
            spec = ConvSpec.parse(
                self.rank,
                given["kernel_size"],
                given.get("strides", 1),
                given.get("dilation_rate", 1),
                given.get("padding", "valid"),
                given.get("groups", 1),
            )
            if given.get("filters", 0) % spec.groups:
                raise ValueError(
                    f"`filters` must be a multiple of `groups`. Received: filters={given['filters']}, groups={spec.groups}."
                )
            bound.arguments.update(kernel_size=spec.kernel_size, strides=spec.strides, padding="valid", dilation_rate=1)
            super().__init__(*bound.args, **bound.kwargs)
            self.padding = spec.padding
            self.dilation_rate = spec.dilation_rate
            self.input_spec = None  # until `build`, which checks the shape itself and says more

    @property
    def spec(self) -> ConvSpec:
        """Geometry of the layer."""
        layer: Any = self
        groups = getattr(layer, "groups", 1)
        return ConvSpec(layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding, groups)

    def build(self, input_shape: Shape) -> None:
        """Checks the shape of the input, then creates the weights as Keras does.

        Raises:
            ValueError: The number of axes or channels doesn't fit the layer, or the output would be empty.
        """
        layer: Any = self
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"The input of {type(self).__name__} must have {self.rank + 2} axes: batch, {self.rank} of space and channels. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        channels = self._channels(input_shape)
        if not channels:
            raise ValueError(
                f"The input of {type(self).__name__} must have a known, positive number of channels. "
                f"Received: input_shape={tuple(input_shape)}, data_format={layer.data_format!r}."
            )
        if channels % self.spec.groups:
            raise ValueError(
                "The number of input channels must be a multiple of `groups`. "
                f"Received: groups={self.spec.groups}, input_shape={tuple(input_shape)}."
            )
        self.compute_output_shape(input_shape)
        super().build(input_shape)  # type: ignore[misc]

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape; unknown lengths stay `None`."""
        return self._shape(input_shape, self.spec.output_size(self._space(input_shape)), self._output_channels(input_shape))

    def _output_channels(self, input_shape: Shape) -> int:
        filters: int = self.filters  # type: ignore[attr-defined]
        return filters

    @property
    def _bias(self) -> Any:
        layer: Any = self
        return layer.bias if layer.use_bias else None

    def _activate(self, outputs: Any) -> Any:
        layer: Any = self
        return outputs if layer.activation is None else layer.activation(outputs)

    def _channels(self, shape: Shape) -> int | None:
        return shape[-1] if self._is_channels_last else shape[1]

    def _space(self, shape: Shape) -> Shape:
        return shape[1:-1] if self._is_channels_last else shape[2:]

    def _shape(self, like: Shape, space: Shape, channels: int) -> tuple[int | None, ...]:
        return (like[0], *space, channels) if self._is_channels_last else (like[0], channels, *space)

    @property
    def _is_channels_last(self) -> bool:
        layer: Any = self
        return bool(layer.data_format == "channels_last")
