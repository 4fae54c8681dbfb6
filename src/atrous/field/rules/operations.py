"""Functions of `keras.ops` in a model's graph, which Keras records under the names of their classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import keras

from atrous.field.axis import AxisMap
from atrous.field.reads import Link, Reads, mapped, permuted, positionwise, reduced, reshaped
from atrous.field.registry import Call, Rule, spatial, windowed
from atrous.field.rules.convolutions import transposed_maps
from atrous.field.rules.positions import concatenated, over_axes
from atrous.field.rules.resampling import completed, resized
from atrous.field.rules.sequences import attention
from atrous.spec import ConvSpec

OPERATIONS: dict[str, Rule] = {}
"""By the name of the operation's class."""

ARITHMETIC = (  # noqa: SIM905 (as a list, it is as many lines as names)
    "Absolute Abs Add Arctan Arctan2 Arctanh BatchNorm Cast Ceil Celu Clip Copy Cos Cosh Divide "
    "DivideNoNan Elu Equal Erf Exp Expm1 Floor FloorDivide Gelu Greater GreaterEqual HardShrink HardSigmoid HardSilu "
    "HardTanh Isfinite Isinf Isnan LeakyRelu Less LessEqual Log Log10 Log1p Log2 LogSigmoid Logaddexp LogicalAnd "
    "LogicalNot LogicalOr Maximum Minimum Mod Multiply NanToNum Negative NotEqual Power Reciprocal Relu "
    "Relu6 Round Rsqrt SaturateCast Selu Sigmoid Sign Silu Sin Sinh SoftShrink Softplus Softsign SparsePlus "
    "SparseSigmoid Sqrt Square Squareplus StopGradient Subtract Tan Tanh TanhShrink Threshold TrueDivide Where"
).split()
"""Operations whose every position reads its own alone."""

REDUCTIONS = "Mean Sum Max Amax Min Amin Prod Std Var Logsumexp Median CountNonzero Any All Argmax Argmin".split()  # noqa: SIM905

CONSTANTS = ("ZerosLike", "OnesLike", "EmptyLike", "FullLike")
"""Operations that take nothing but the shape of a tensor."""

OVER_AN_AXIS = ("Softmax", "LogSoftmax", "LayerNorm", "RMSNorm", "Normalize")
"""Operations whose every position reads all those along `axis`."""


def operation(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for operations of these names."""

    def remember(function: Rule) -> Rule:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return remember


def dims(axis: Any, shape: Sequence[int]) -> list[int]:
    """Dims of a tensor without batch axis, from axes counted with it; the batch axis itself is refused."""
    axes = range(len(shape) + 1) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    counted = [a % (len(shape) + 1) - 1 for a in axes]
    if -1 in counted:
        raise ValueError("it works across the batch")
    return counted


@operation(*ARITHMETIC)
def _position_by_position(call: Call) -> Reads:
    """Of several tensors, some of which may be constants: these are no inputs, but may be longer."""
    rank = max(map(len, call.shapes))
    given = [tuple(each.shape) for each in (*call.args, *call.kwargs.values()) if _is_constant(each)]
    constants = [shape[1:] if len(shape) > rank else shape for shape in given]  # with a batch axis or without
    reads = positionwise(*call.shapes, *constants)
    return Reads(reads.shape, reads.links[: len(call.shapes)])


def _is_constant(value: Any) -> bool:
    return not isinstance(value, keras.KerasTensor) and len(getattr(value, "shape", ())) > 0


@operation("BroadcastTo")
def _broadcast_to(call: Call) -> Reads:
    reads = positionwise(call.shape, call.layer.shape[1:])
    return Reads(reads.shape, reads.links[:1])


@operation(*REDUCTIONS)
def _reduction(call: Call) -> Reads:
    return reduced(call.shape, dims(call.layer.axis, call.shape), bool(getattr(call.layer, "keepdims", False)))


@operation(*OVER_AN_AXIS)
def _over_an_axis(call: Call) -> Reads:
    return over_axes(call.shape, call.layer.axis)


@operation("Concatenate")
def _concatenate(call: Call) -> Reads:
    return concatenated(call.shapes, call.layer.axis)


@operation("Transpose")
def _transpose(call: Call) -> Reads:
    axes = call.layer.axes or tuple(reversed(range(len(call.shape) + 1)))
    if axes[0] != 0:
        raise ValueError("it moves the batch axis")
    return permuted(call.shape, [a - 1 for a in axes[1:]])


@operation("Moveaxis", "Swapaxes")
def _move(call: Call) -> Reads:
    result = keras.ops.shape(call.layer(keras.KerasTensor((None, *range(2, 2 + len(call.shape))))))  # lengths tell dims apart
    if result[0] is not None:
        raise ValueError("it moves the batch axis")
    return permuted(call.shape, [n - 2 for n in result[1:]])


@operation("ExpandDims")
def _expand(call: Call) -> Reads:
    result = list(call.shape)
    for d in sorted(
        a % (len(call.shape) + 2) - 1 for a in ([call.layer.axis] if isinstance(call.layer.axis, int) else call.layer.axis)
    ):
        result.insert(d, 1)
    return reshaped(call.shape, result)


@operation("Squeeze")
def _squeeze(call: Call) -> Reads:
    away = [d for d, n in enumerate(call.shape) if n == 1] if call.layer.axis is None else dims(call.layer.axis, call.shape)
    return reduced(call.shape, away, keepdims=False)


@operation("Reshape")
def _reshape(call: Call) -> Reads:
    batch, *target = call.layer.newshape
    if (batch in (-1, 1) or not isinstance(batch, int)) and all(isinstance(n, int) for n in target):
        return reshaped(call.shape, completed(tuple(target), call.shape))
    raise ValueError(f"it reshapes the batch too, to {call.layer.newshape}")


@operation("GetItem")
def _get_item(call: Call) -> Reads:
    key = call.args[1] if len(call.args) > 1 else call.kwargs["key"]
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        used = sum(k is not None and k is not Ellipsis for k in keys)
        keys[at : at + 1] = [slice(None)] * (len(call.shape) + 1 - used)
    if keys[0] != slice(None):
        raise ValueError("it slices the batch")
    return _sliced(call.shape, keys[1:])


def _sliced(shape: tuple[int, ...], keys: list[Any]) -> Reads:
    result: list[int] = []
    links = []
    d = 0
    for key in [*keys, *[slice(None)] * (len(shape) - sum(k is not None for k in keys))]:
        if key is None:
            result.append(1)
            continue
        if isinstance(key, slice):
            start, stop, step = key.indices(shape[d])
            links.append(Link.one(len(result), d, AxisMap.shift(start, step)))
            result.append(len(range(start, stop, step)))
            if step < 0:
                raise ValueError("it reverses positions")
        elif isinstance(key, int):
            links.append(Link((), (d,), AxisMap(((key % shape[d],),), advance=0)))
        else:
            raise ValueError("it takes positions by an index that isn't known")
        d += 1
    return Reads(tuple(result), (tuple(links),))


@operation("Pad")
def _pad(call: Call) -> Reads:
    if call.layer.mode != "constant":
        raise ValueError(f"it pads in mode {call.layer.mode!r}, which isn't known here; use zeros")
    widths = call.layer.pad_width
    pairs = list(widths) * (len(call.shape) + 1) if len(widths) == 1 else list(widths)
    if tuple(pairs[0]) != (0, 0):
        raise ValueError("it pads the batch")
    return mapped(
        call.shape, {d: (AxisMap.shift(-a), n + a + b) for d, (n, (a, b)) in enumerate(zip(call.shape, pairs[1:], strict=True))}
    )


@operation("Repeat")
def _repeat(call: Call) -> Reads:
    if not isinstance(call.layer.repeats, int) or call.layer.axis is None:
        raise ValueError("it repeats by numbers that differ, or over all axes")
    (d,) = dims(call.layer.axis, call.shape)
    return mapped(call.shape, {d: (AxisMap.repeat(call.layer.repeats), call.shape[d] * call.layer.repeats)})


@operation("Split")
def _split(call: Call) -> list[Reads]:
    (d,) = dims(call.layer.axis, call.shape)
    n, where = call.shape[d], call.layer.indices_or_sections
    cuts = [n * i // where for i in range(1, where)] if isinstance(where, int) else list(where)
    ends = pairwise([0, *cuts, n])
    return [mapped(call.shape, {d: (AxisMap.shift(a), b - a)}) for a, b in ends]


@operation("Conv", "DepthwiseConv", "SeparableConv")
def _convolution(call: Call) -> Reads:
    kernel = call.args[1] if len(call.args) > 1 else call.kwargs.get("kernel", call.kwargs.get("depthwise_kernel"))
    *window, channels, last = kernel.shape
    spec = ConvSpec.parse(len(window), tuple(window), call.layer.strides, call.layer.dilation_rate, call.layer.padding)
    name = type(call.layer).__name__
    if name == "SeparableConv":
        last = (call.args[2] if len(call.args) > 2 else call.kwargs["pointwise_kernel"]).shape[-1]
    return windowed(_first(call), spec, channels * last if name == "DepthwiseConv" else last)


@operation("ConvTranspose")
def _transposed(call: Call) -> Reads:
    kernel = call.args[1] if len(call.args) > 1 else call.kwargs["kernel"]
    *window, filters, _ = kernel.shape
    spec = ConvSpec.parse(len(window), tuple(window), call.layer.strides, call.layer.dilation_rate, call.layer.padding)
    return spatial(_first(call), transposed_maps(call, spec, call.layer.output_padding), filters)


def _first(call: Call) -> Call:
    if len(call.shapes) != 1:
        raise ValueError("its kernel depends on the input")
    return call


@operation("MaxPool", "AveragePool")
def _pool(call: Call) -> Reads:
    pool = call.layer
    return windowed(call, ConvSpec.parse(len(call.space), pool.pool_size, pool.strides or pool.pool_size, 1, pool.padding))


@operation("Resize")
def _resize(call: Call) -> Reads:
    return resized(call, call.layer, tuple(call.layer.size))


@operation("DotProductAttention")
def _attention(call: Call) -> Reads:
    return attention(call.shapes, [0], bool(call.layer.is_causal), call.shapes[-1][-1])


@operation("Matmul", "Dot")
def _matmul(call: Call) -> Reads:
    if len(call.shapes) != 1:
        raise ValueError("it multiplies two tensors that both depend on the input")
    weights = call.args[1]
    if not hasattr(weights, "shape") or hasattr(weights, "_keras_history"):
        raise ValueError("its weights stand in front")
    last = len(call.shape) - 1
    return Reads((*call.shape[:last], weights.shape[-1]), (tuple(Link.one(d, d) for d in range(last)),))
