"""Rules: what each type of layer reads. A type without one is never guessed at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from atrous.field.axis import AxisMap
from atrous.field.reads import Reads, Shape, mapped, mixed, positionwise
from atrous.spec import ConvSpec

POSITIONWISE = "positionwise"
"""A rule's answer for a layer whose every position reads its own alone."""

WHOLE = "whole"
"""A rule's answer for a layer whose every position reads all positions."""


@dataclass(frozen=True)
class Call:
    """One use of a layer or operation, as rules see it.

    Args:
        layer: The `keras.Layer` or `keras.Operation`.
        shapes: Of its input tensors, without their batch axes.
        args: What it was called with; tensors are symbolic.
        kwargs: The same.
    """

    layer: Any
    shapes: tuple[Shape, ...]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """Of the first input."""
        return self.shapes[0]

    @property
    def space(self) -> list[int]:
        """Dims of the first input that are spatial by the layer's `data_format` (channels last if it has none)."""
        return spatial_dims(len(self.shape), getattr(self.layer, "data_format", None))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lengths of the spatial dims of the first input."""
        return tuple(self.shape[d] for d in self.space)


Rule = Callable[[Call], Reads | list[Reads]]

_RULES: dict[type, Rule] = {}


def register(*types: type) -> Callable[[Any], Any]:
    """Teaches `analyze` a type of layer, and what derives from it. Decorates a function of the layer:

        @atrous.field.register(Blur)
        def _(layer):
            return ConvSpec.parse(2, layer.size, padding="same")

    The function returns what the layer reads of its only input: a `ConvSpec` (a window over the spatial dims, whose stride is
    the step), `"positionwise"`, `"whole"`, or an `AxisMap` for each spatial dim, each with the new length: `[(map, n), …]`.
    Layers that are made of other layers and of `keras.ops` need no rule.

    Args:
        *types: Classes of layers.
    """  # noqa: D415 (the sentence goes on in the listing)

    def remember(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        for type_ in types:
            _RULES[type_] = lambda call: _read(call, function(call.layer))
        return function

    return remember


def rule(*types: type) -> Callable[[Rule], Rule]:
    """As `register`, for functions of a `Call` that return `Reads`: the form of the rules that come with atrous."""

    def remember(function: Rule) -> Rule:
        for type_ in types:
            _RULES[type_] = function
        return function

    return remember


def rule_of(layer: Any) -> Rule | None:
    """The rule for a layer: that of its class, or of the nearest class that it derives from."""
    return next((_RULES[type_] for type_ in type(layer).__mro__ if type_ in _RULES), None)


def spatial_dims(rank: int, data_format: str | None) -> list[int]:
    """Dims of a tensor without batch axis that are spatial."""
    return list(range(1, rank)) if data_format == "channels_first" else list(range(rank - 1))


def windowed(call: Call, spec: ConvSpec, channels: int | None = None) -> Reads:
    """A convolution or pooling over the spatial dims.

    Args:
        call: The use of the layer.
        spec: Its geometry.
        channels: Of the output; `None` leaves those of the input.
    """
    pads = spec.pads(call.sizes)
    maps = [
        AxisMap.window(k, s, r, pair[0])
        for k, s, r, pair in zip(spec.kernel_size, spec.strides, spec.dilation_rate, pads, strict=True)
        if pair is not None
    ]
    sizes = spec.output_size(call.sizes)
    return spatial(call, [(step, n) for step, n in zip(maps, sizes, strict=True) if n is not None], channels)


def spatial(call: Call, maps: Sequence[tuple[AxisMap, int]], channels: int | None = None) -> Reads:
    """A map and a new length for each spatial dim; all channels are read."""
    if len(maps) != len(call.space):
        raise ValueError(f"its input has {len(call.space)} spatial dims, and it reads {len(maps)}")
    reads = mapped(call.shape, dict(zip(call.space, maps, strict=True)))
    if channels is None:
        return reads
    (channel,) = set(range(len(call.shape))) - set(call.space)
    shape = tuple(channels if d == channel else n for d, n in enumerate(reads.shape))
    return Reads(shape, (tuple(link for link in reads.links[0] if link.into != (channel,)),))


def _read(call: Call, answer: Any) -> Reads:
    if isinstance(answer, ConvSpec):
        return windowed(call, answer)
    if answer == POSITIONWISE:
        return positionwise(call.shape)
    if answer == WHOLE:
        return mixed(call.shape, call.space)
    if isinstance(answer, (list, tuple)) and all(isinstance(a, tuple) and isinstance(a[0], AxisMap) for a in answer):
        return spatial(call, answer)
    raise ValueError(
        "its rule must return a `ConvSpec`, 'positionwise', 'whole', or an `AxisMap` and a length for each spatial dim. "
        f"Received: {answer!r}"
    )
