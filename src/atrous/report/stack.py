"""A model as a stack that the explorer can start with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from atrous.field import AxisField, AxisMap, Report, analyze
from atrous.field.rules.convolutions import CONVOLUTIONS, POOLS, spec_of
from atrous.report.explore import Row, Stack

ASSUMED_SIZE = 256  # positions of an axis of unknown length


def stack_of(model: keras.Model) -> Stack | None:
    """The convolutions and pools of a chain.

    Args:
        model: One input.

    Returns:
        The stack, a separable convolution as two rows. `None` where it would not tell the truth or can't be shown: a model that
        isn't a chain, has no convolution, treats its axes differently, has three of them, or is beyond the explorer's limits.
    """
    try:
        report = analyze(model)
        stack = _stack(model, report)
    except ValueError:
        return None
    return stack if stack and _sees_the_same(stack, report) else None


def _stack(model: keras.Model, report: Report) -> Stack | None:
    layers = [row.layer for row in report.layers if row.is_local and isinstance(row.layer, CONVOLUTIONS + POOLS)]
    rank = len(report.input_size)
    specs = [spec_of(layer, rank) for layer in layers]
    alike = all(len({*sizes}) == 1 for spec in specs for sizes in (spec.kernel_size, spec.strides, spec.dilation_rate))
    if (
        len(model.inputs) != 1
        or rank not in (1, 2)
        or not alike
        or not any(isinstance(layer, CONVOLUTIONS) for layer in layers)
    ):
        return None
    shape = model.inputs[0].shape
    channels = shape[1] if layers[0].data_format == "channels_first" else shape[-1]
    return Stack(
        rows=tuple(row for layer in layers for row in _rows(layer, rank)),
        rank=rank,
        size=report.input_size[0] or ASSUMED_SIZE,
        channels=channels,
        causal=rank == 1 and any(spec.padding == "causal" for spec in specs),
    )


def _rows(layer: Any, rank: int) -> Iterator[Row]:
    spec = spec_of(layer, rank)
    kernel, rate, stride = spec.kernel_size[0], spec.dilation_rate[0], spec.strides[0]
    filters: int = getattr(layer, "filters", None) or 0  # depthwise layers and pools have none
    if isinstance(layer, POOLS):
        yield Row(kernel, rate, stride, kind="pool")
    elif hasattr(layer, "depth_multiplier"):
        yield Row(kernel, rate, stride, kind="depthwise")
        if filters:
            yield Row(1, filters=filters)
    else:
        yield Row(kernel, rate, stride, filters)


def _sees_the_same(stack: Stack, report: Report) -> bool:
    """Whether one output of the model has the stack's paths: it has others if there are branches, or layers in between."""
    field = AxisField.chain(AxisMap.window(row.kernel_size, row.strides, row.dilation_rate) for row in stack.rows)
    found = report.features
    return all(
        size == field.size and stride == field.stride and np.array_equal(paths, field.paths[0])
        for size, stride, paths in zip(found.size, found.stride, found.paths, strict=True)
    )
