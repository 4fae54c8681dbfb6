"""Layers that read several steps, or move them."""

from __future__ import annotations

import numpy as np
from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.graph import Use
from atrous.field.rules.convolutions import CONVOLUTIONS, POOLS, TRANSPOSED, spec_of
from atrous.layers import StridedPadding
from atrous.parts.part import is_operation
from atrous.streaming.core.drafting import Draft, View, array
from atrous.streaming.core.program import Op, Source
from atrous.streaming.core.translations.registry import bias_of, check_format, time_map, translates, translates_operation


@translates(*CONVOLUTIONS)
def _convolution(draft: Draft, use: Use) -> None:
    layer = use.layer
    check_format(draft, layer)
    if isinstance(layer, layers.SeparableConv1D):
        kernel = array(layer.depthwise_kernel)
        spread = _depthwise(draft, use, kernel, None)
        made = draft.made(layer.filters)
        pointwise = array(layer.pointwise_kernel)
        draft.add(Op("product", made, (Source(spread, weights=pointwise),), bias=bias_of(layer)))
    elif isinstance(layer, layers.DepthwiseConv1D):
        made = _depthwise(draft, use, array(layer.kernel), bias_of(layer))
    elif isinstance(layer, layers.Conv1D):
        made = _product(draft, use, array(layer.kernel), bias_of(layer), layer.groups)
    else:
        raise draft.refusal("it has more than one spatial axis")
    draft.activated(made, layer.activation)


def _product(draft: Draft, use: Use, kernel: np.ndarray, bias: np.ndarray | None, groups: int) -> int:
    key, step = use.inputs[0], time_map(use)
    draft.channels(key)
    made = draft.made(kernel.shape[-1])
    if key not in draft.plan.flows:  # of a single position, what isn't padding
        met = [m for m, position in enumerate(step.taps[0]) if position == 0]
        if draft.plan.graph.shapes[use.outputs[0]][0] != 1 or len(met) != 1:
            raise draft.refusal("it works along an axis that isn't time")
        draft.add(Op("product", made, (Source(draft.at_rest(key), weights=kernel[met], groups=groups),), bias=bias))
        return made
    ((_, offsets),) = draft.reading(draft.views[key], step)
    draft.add(Op("product", made, (Source(draft.views[key].tensor, offsets, kernel, step.advance, groups),), bias=bias))
    return made


def _depthwise(draft: Draft, use: Use, kernel: np.ndarray, bias: np.ndarray | None) -> int:
    taps, channels, multiplier = kernel.shape
    if multiplier > 1:
        return _product(draft, use, kernel.reshape(taps, 1, channels * multiplier), bias, channels)
    key, step = use.inputs[0], time_map(use)
    if key not in draft.plan.flows:
        raise draft.refusal("it works along an axis that isn't time")
    made = draft.made(channels)
    ((_, offsets),) = draft.reading(draft.views[key], step)
    draft.add(Op("depthwise", made, (Source(draft.views[key].tensor, offsets, kernel[..., 0], step.advance),), bias=bias))
    return made


@translates(*TRANSPOSED)
def _transposed(draft: Draft, use: Use) -> None:
    layer, key = use.layer, use.inputs[0]
    check_format(draft, layer)
    if key not in draft.plan.flows or not isinstance(layer, layers.Conv1DTranspose):
        raise draft.refusal("it works along an axis that isn't time")
    extra = layer.output_padding
    (axis,) = spec_of(layer, 1).transposed((extra,) if isinstance(extra, int) else extra)
    kernel, rate = array(layer.kernel).transpose(0, 2, 1), layer.dilation_rate[0]
    met = [
        [m for m in range(len(kernel)) if (phase + axis.before - rate * m) % axis.stride == 0] for phase in range(axis.stride)
    ]
    taps = [tuple((phase + axis.before - rate * m) // axis.stride for m in each) for phase, each in enumerate(met)]
    made = draft.made(layer.filters)
    for each, (phase, offsets) in zip(met, draft.reading(draft.views[key], AxisMap(tuple(taps))), strict=True):
        weights = (
            np.ascontiguousarray(kernel[each]) if each else np.zeros(kernel[:1].shape, "float32")
        )  # of a hole there is the bias
        source = Source(draft.views[key].tensor, offsets or (0,), weights)
        draft.add(Op("product", made, (source,), bias=bias_of(layer), stretch=axis.stride, phase=phase))
    draft.activated(made, layer.activation)


@translates(*POOLS)
def _pool(draft: Draft, use: Use) -> None:
    check_format(draft, use.layer)
    key, step = use.inputs[0], time_map(use)
    if key not in draft.plan.flows:
        raise draft.refusal("it works along an axis that isn't time")
    draft.channels(key)
    late = draft.late(key)
    x = draft.at_rest(key, late)
    ((_, offsets),) = draft.reading(View(x, late), step)
    code = "max_pool" if "Max" in type(use.layer).__name__ else "average_pool"
    draft.add(Op(code, draft.result(), (Source(x, offsets, stride=step.advance),)))


@translates(layers.UpSampling1D)
@translates_operation("Repeat")
def _repeat(draft: Draft, use: Use) -> None:
    key, step = use.inputs[0], time_map(use)
    if key not in draft.plan.flows or draft.steps(use.outputs[0]) != step.period * draft.steps(key):
        raise draft.refusal("it repeats along an axis that isn't time")
    made = draft.result()
    for phase, offsets in draft.reading(draft.views[key], step):
        source = Source(draft.views[key].tensor, offsets)
        draft.add(Op("copy", made, (source,), stretch=step.period, phase=phase, channels=draft.width(key)))


@translates(layers.ZeroPadding1D, layers.Cropping1D, StridedPadding)
@translates_operation("Pad")
def _shift(draft: Draft, use: Use) -> None:
    key = use.inputs[0]
    if key not in draft.plan.flows or draft.shape(key) != draft.shape(use.outputs[0]):
        raise draft.refusal("it pads or cuts an axis that isn't time")
    given = use.call.kwargs.get("constant_values", use.call.args[1] if len(use.call.args) > 1 else None)
    if getattr(use.layer, "value", 0) or (is_operation(use, "Pad") and given not in (None, 0)):
        raise draft.refusal("it pads something else than zeros")
    _moved(draft, use)


@translates_operation("GetItem")
def _get_item(draft: Draft, use: Use) -> None:
    key, made = use.inputs[0], use.outputs[0]
    if key in draft.plan.flows and draft.shape(key) == draft.shape(made):
        _moved(draft, use)
    else:
        _some_channels(draft, use)


def _moved(draft: Draft, use: Use) -> None:
    """Some of the steps, or zeros in front of them and behind."""
    key, step = use.inputs[0], time_map(use)
    (first,) = step.taps[0]
    flow, after = draft.plan.flows[key], draft.plan.flows[use.outputs[0]]
    cut = (first > 0 and draft.views[key].shift + first > 0) or (draft.plan.remainder and after.growth + first < flow.growth)
    if step.advance == 1 and not cut:
        return draft.alias(first)
    ((_, offsets),) = draft.reading(draft.views[key], step)  # where it is cut, there are zeros to those that read on
    source = Source(draft.views[key].tensor, offsets, stride=step.advance)
    return draft.add(Op("copy", draft.result(), (source,), channels=draft.width(key)))


def _some_channels(draft: Draft, use: Use) -> None:
    """Channels that stand side by side."""
    key, made, rank = use.inputs[0], use.outputs[0], len(use.call.shape)
    draft.channels(key)
    links = [link for link in use.reads[0].links[0] if rank - 1 in link.out_of]
    first = links[0].map.taps[0][0] if links else 0
    stepped = bool(links) and links[0].map.advance > 1
    if stepped or (key in draft.plan.flows and time_map(use).taps[0][0]):
        raise draft.refusal("it takes some steps and some channels at once, or channels that aren't neighbours")
    draft.add(Op("copy", draft.result(), (Source(draft.at_rest(key)),), from_channel=first, channels=draft.width(made)))


@translates_operation("Split")
def _split(draft: Draft, use: Use) -> None:
    key = use.inputs[0]
    draft.channels(key)
    x, rank = draft.at_rest(key), len(use.call.shape)
    if use.layer.axis not in (-1, rank):
        raise draft.refusal("it splits along time")
    first = 0
    for made in use.outputs:
        number = draft.new(draft.width(made), made)
        draft.give(number, made)
        draft.add(Op("copy", number, (Source(x),), from_channel=first, channels=draft.width(made)))
        first += draft.width(made)


def last_step(draft: Draft, use: Use) -> None:
    """`x[:, -1]`."""
    key = use.inputs[0]
    draft.add(Op("last", draft.result(), (Source(draft.at_rest(key, draft.late(key))),)))
