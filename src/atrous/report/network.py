"""The network as the page shows it: a row for each layer, and what one dilated layer makes of an example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from atrous.field import LayerReport, Report, analyze, tap_spans

Span = tuple[int, int]


@dataclass(frozen=True)
class LayerRow:
    """One row of the layer table; every entry is text, an empty one says nothing."""

    name: str
    kind: str
    output: str
    parameters: str
    kernel: str
    rate: str
    field: str
    dilated: bool


@dataclass(frozen=True)
class View:
    """What one layer does with one image.

    Args:
        layer: Its name.
        kernel: Its kernel size, rows and columns.
        rate: Its dilation rate, rows and columns.
        maps: Its activation `(height, width, channels)`.
        unit: Row and column of the centre unit.
        field: Rows and columns of the image which that unit sees; `None` if the arithmetic does not know.
        taps: Rows and columns seen by each of its taps that do not fall into padding.
    """

    layer: str
    kernel: tuple[int, int]
    rate: tuple[int, int]
    maps: np.ndarray
    unit: tuple[int, int]
    field: tuple[Span, Span] | None
    taps: list[tuple[Span, Span]]

    @property
    def dilated(self) -> bool:
        """Whether the layer has a rate above 1."""
        return max(self.rate) > 1


def fields_of(model: keras.Model) -> tuple[Report | None, str]:
    """What the model's layers see, and the reason why it isn't known (empty if it is)."""
    try:
        return analyze(model), ""
    except ValueError as error:
        return None, str(error)


def layer_rows(model: keras.Model, report: Report | None) -> list[LayerRow]:
    """The layers, first to last."""
    return [_row(name, layer, report) for name, layer in _walk(model)]


def view(model: keras.Model, image: np.ndarray, report: Report | None) -> View | None:
    """What the dilated layer does with an image, or the last spatial convolution where none is dilated.

    Args:
        model: Takes images `(batch, height, width, channels)`.
        image: `(height, width, channels)`, 0..255.
        report: As `fields_of` gives it.

    Returns:
        The view, or `None` for a model without a two-dimensional convolution.
    """
    layer = _telling_layer(model)
    if layer is None:
        return None
    inner = keras.Model(model.inputs[0], layer.output)
    activation = keras.ops.cast(inner(image[None].astype("float32"), training=False)[0], "float32")
    maps = keras.ops.convert_to_numpy(activation)
    if layer.data_format == "channels_first":
        maps = np.moveaxis(maps, 0, -1)
    unit = (maps.shape[0] // 2, maps.shape[1] // 2)
    seen = None if report is None or not report[layer.name].is_local else report[layer.name]
    return View(
        layer=layer.name,
        kernel=tuple(layer.kernel_size),
        rate=tuple(layer.dilation_rate),
        maps=maps,
        unit=unit,
        field=None if seen is None else _pair(seen.span(unit)),
        taps=[] if seen is None else [_pair(tap) for tap in tap_spans(model, layer.name, unit)],
    )


def times(numbers: Sequence[int | None]) -> str:
    """Sizes as people write them: 28 × 28 × 32."""
    return " × ".join("any" if n is None else str(n) for n in numbers)


def _telling_layer(model: keras.Model) -> Any:
    convolutions = [layer for layer in model.layers if len(getattr(layer, "kernel_size", ())) == 2]
    dilated = [layer for layer in convolutions if max(layer.dilation_rate) > 1]
    spatial = [layer for layer in convolutions if max(layer.kernel_size) > 1]
    for candidates in (dilated, spatial, convolutions):
        if candidates:
            return candidates[-1]
    return None


def _walk(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _walk(layer, f"{prefix}{layer.name}/")
        elif not isinstance(layer, keras.layers.InputLayer):
            yield prefix + layer.name, layer


def _row(name: str, layer: Any, report: Report | None) -> LayerRow:
    kernel = _several(getattr(layer, "kernel_size", getattr(layer, "pool_size", ())))
    rate = _several(getattr(layer, "dilation_rate", ())) if kernel else ()
    inside = [] if kernel else sorted({n for each in layer._flatten_layers(include_self=False) for n in _rates_of(each)})
    return LayerRow(
        name=name,
        kind=type(layer).__name__,
        output=_output(layer),
        parameters=f"{layer.count_params():,}" if layer.count_params() else "",
        kernel=times(kernel),
        rate=str(rate[0]) if len(set(rate)) == 1 else times(rate) or ", ".join(map(str, inside)),
        field=_field(report.named[name]) if report is not None and name in report.named else "",
        dilated=max([*rate, *inside], default=1) > 1,
    )


def _several(sizes: int | Sequence[int]) -> Sequence[int]:
    """A block over sequences may have a number where a convolution has one for each axis."""
    return (sizes,) if isinstance(sizes, int) else sizes


def _rates_of(layer: Any) -> Sequence[int]:
    """Rates of a convolution that is more than a point; a unit made of convolutions has an integer, and they are asked."""
    kernel = getattr(layer, "kernel_size", (1,))
    return layer.dilation_rate if isinstance(kernel, tuple) and max(kernel) > 1 else ()


def _output(layer: Any) -> str:
    shape = getattr(layer.output, "shape", None)  # a layer with several outputs has a list here
    return "" if shape is None else times(shape[1:])


def _field(layer: LayerReport) -> str:
    return times(layer.local_size) if layer.is_local else "whole image"


def _pair(spans: Sequence[Span]) -> tuple[Span, Span]:
    rows, columns = spans
    return rows, columns
