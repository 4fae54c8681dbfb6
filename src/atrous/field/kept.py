"""What TensorFlow computes for every layer, as far as memory is concerned: what is made, what is overwritten, what is kept.

Sizes are in elements for one example. The entries come from the gradient of the TensorFlow operation that Keras calls: that of
a convolution reads its input, that of ReLU its output, that of batch normalisation, which Keras computes as moments and a
product, its input again. Elementwise operations overwrite an input that nothing else needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from keras import layers

from atrous.field.graph import Graph, Use
from atrous.field.rules.convolutions import ADAPTIVE_POOLS, CONVOLUTIONS, GLOBAL_POOLS, POOLS, TRANSPOSED
from atrous.layers.dilated import Dilated

VIEW, IN_PLACE, NEW = "view", "in place", "new"


@dataclass(frozen=True)
class Operation:
    """One step of the computation.

    Args:
        name: Of the layer.
        inputs: Numbers of the tensors that it reads.
        outputs: Numbers of those that it makes.
        output: "view" of its first input, "in place" of an input if nothing else needs it, or "new".
        predicting: The same when nothing is trained, if it is another; without temporaries then.
        saved: Numbers of the tensors that its gradient reads.
        extra: Kept for its gradient besides, elements.
        forward: Temporaries, elements.
        backward: Temporaries of its gradient, elements.
        gradient: Of its inputs: "view" (that of the output), "in place" of it, or "new".
        weights: Sizes of its trainable weights.
        workspace: Of a convolution or product: bytes of a packed copy of its weights.
        normalises: Whether it is a normalisation, whose graph is large.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output: str = NEW
    predicting: str | None = None
    saved: tuple[int, ...] = ()
    extra: float = 0
    forward: float = 0
    backward: float = 0
    gradient: str = NEW
    weights: tuple[int, ...] = ()
    workspace: int = 0
    normalises: bool = False


@dataclass(frozen=True)
class _Kept:
    """A type of layer. `extra`, `forward` and `backward` are in tensors of the size of the output."""

    output: str = NEW
    predicting: str | None = None
    saves_input: bool = False
    saves_output: bool = False
    extra: float = 0
    forward: float = 0
    backward: float = 0
    gradient: str = NEW


_PRODUCT = _Kept(saves_input=True)
_BY_BLOCKS = _Kept(saves_input=True, extra=1, forward=1, backward=2)
"""A dilated convolution as TensorFlow's own: its input, rearranged so that the taps are neighbours, is kept, too."""
_LINEAR = _Kept(IN_PLACE, gradient=IN_PLACE)
_FROM_OUTPUT = _Kept(IN_PLACE, saves_output=True, gradient=IN_PLACE)
_FROM_INPUT = _Kept(saves_input=True, gradient=IN_PLACE)
_MASK = 0.25
"""A boolean beside a float32."""

_ACTIVATIONS = {
    "linear": _Kept(VIEW, gradient=VIEW),
    **dict.fromkeys(("relu", "relu6", "sigmoid", "tanh", "elu", "selu", "exponential"), _FROM_OUTPUT),
    **dict.fromkeys(("leaky_relu", "softplus", "softsign", "log_sigmoid", "celu"), _FROM_INPUT),
    "softmax": _Kept(saves_output=True, backward=1, gradient=IN_PLACE),
    "silu": _Kept(saves_input=True, forward=1, backward=2, gradient=IN_PLACE),
    "gelu": _Kept(saves_input=True, extra=2, backward=1, gradient=IN_PLACE),
    **dict.fromkeys(("hard_silu", "hard_sigmoid"), _Kept(saves_input=True, extra=1, backward=1, gradient=IN_PLACE)),
    "mish": _Kept(saves_input=True, extra=2, backward=2, gradient=IN_PLACE),
}
_OTHER_ACTIVATION = _Kept(saves_input=True, saves_output=True, backward=1, gradient=IN_PLACE)

_NORMALISATION = _Kept(saves_input=True, forward=1, backward=3)
_BATCH_NORMALISATION = replace(_NORMALISATION, predicting=IN_PLACE)
_LAYER_NORMALISATION = replace(_NORMALISATION, extra=1)  # scale / deviation, broadcast to every element
_LAYERS: tuple[tuple[Any, _Kept], ...] = (
    ((*CONVOLUTIONS, *TRANSPOSED, layers.Dense, layers.EinsumDense, layers.Embedding), _PRODUCT),
    (
        tuple(t for t in POOLS + GLOBAL_POOLS + ADAPTIVE_POOLS if "Max" in t.__name__),
        _Kept(saves_input=True, saves_output=True),
    ),
    (layers.BatchNormalization, _BATCH_NORMALISATION),
    (layers.GroupNormalization, _NORMALISATION),
    ((layers.LayerNormalization, layers.RMSNormalization), _LAYER_NORMALISATION),
    ((layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D), _Kept(IN_PLACE, VIEW, gradient=IN_PLACE)),
    ((layers.Dropout, layers.AlphaDropout), _Kept(IN_PLACE, VIEW, extra=_MASK, forward=1, gradient=IN_PLACE)),
    (layers.GaussianDropout, _Kept(IN_PLACE, VIEW, extra=1, gradient=IN_PLACE)),
    (layers.GaussianNoise, _Kept(IN_PLACE, VIEW, forward=1, gradient=VIEW)),
    (layers.Multiply, _Kept(saves_input=True, gradient=IN_PLACE)),
    ((layers.Maximum, layers.Minimum), _Kept(saves_input=True, backward=1)),
    ((layers.Add, layers.Subtract, layers.Average), _Kept(IN_PLACE, gradient=VIEW)),
    ((layers.Rescaling, layers.Normalization), _LINEAR),
    ((layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D), _Kept(forward=1)),
    ((layers.Flatten, layers.Reshape, layers.Identity, layers.ActivityRegularization, layers.Masking), _ACTIVATIONS["linear"]),
)
_CLASSES = {
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "Softmax": "softmax",
    "PReLU": "leaky_relu",
    "Relu": "relu",
    "Swish": "silu",
}
_OPERATIONS = {
    **dict.fromkeys(("Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose", "Matmul", "Dot"), _PRODUCT),
    **dict.fromkeys(("Add", "Subtract", "BroadcastTo"), _Kept(IN_PLACE, gradient=VIEW)),
    **dict.fromkeys(("Multiply", "Divide", "TrueDivide", "Power", "Square", "Log", "Abs", "Absolute"), _FROM_INPUT),
    **dict.fromkeys(("Sqrt", "Rsqrt", "Exp", "Reciprocal"), _FROM_OUTPUT),
    **dict.fromkeys(("MaxPool", "Max", "Amax", "Min", "Amin"), _Kept(saves_input=True, saves_output=True)),
    **dict.fromkeys(("Maximum", "Minimum"), _Kept(saves_input=True, backward=1)),
    **dict.fromkeys(("Reshape", "Squeeze", "ExpandDims", "Cast", "StopGradient"), _ACTIVATIONS["linear"]),
}
_RECURRENT = ((layers.LSTM, 10), (layers.GRU, 8), (layers.RNN, 2))
"""Tensors of (steps, units) kept: gates, states, and what they are made of."""


def operations(graph: Graph) -> tuple[list[Operation], list[int]]:
    """The uses of a model's layers as operations, an activation inside a layer as one of its own; and all tensors' sizes."""
    sizes = [math.prod(shape) for shape in graph.shapes]
    made = {*graph.inputs.values(), *(number for use in graph.uses for number in use.outputs)}
    uses = [replace(use, inputs=tuple(n for n in use.inputs if n in made)) for use in graph.uses]  # without constants
    seen: set[int] = set()
    return [step for use in uses for step in _of_use(use, sizes, seen)], sizes


def _of_use(use: Use, sizes: list[int], seen: set[int]) -> Iterator[Operation]:
    kept = kept_by(use.layer)
    inner = getattr(use.layer, "activation", None) if kept in (_PRODUCT, _BY_BLOCKS) else None
    outputs = use.outputs
    if inner is not None and name_of(inner) != "linear":
        sizes.append(sizes[use.outputs[0]])
        outputs = (len(sizes) - 1,)
    step = _operation(use, kept, outputs, sizes)
    weights = [w for w in getattr(use.layer, "trainable_weights", ()) if id(w) not in seen]
    seen.update(id(w) for w in weights)
    trained = tuple(math.prod(w.shape) for w in weights)
    yield replace(step, weights=trained, workspace=4 * sum(trained) if kept.saves_input and trained else 0)
    if outputs is not use.outputs:
        activation = _ACTIVATIONS.get(name_of(inner), _OTHER_ACTIVATION)
        yield _operation(replace(use, inputs=outputs), activation, use.outputs, sizes)


def _operation(use: Use, kept: _Kept, outputs: tuple[int, ...], sizes: list[int]) -> Operation:
    size = sum(sizes[made] for made in outputs)
    extra, forward, backward = kept.extra, kept.forward, kept.backward
    inside = inner_size(use)
    return Operation(
        name=use.name,
        inputs=use.inputs,
        outputs=outputs,
        output=kept.output,
        predicting=kept.predicting,
        saved=(*(use.inputs if kept.saves_input else ()), *(outputs if kept.saves_output else ())),
        extra=extra * size + inside,
        forward=forward * size,
        backward=backward * size + inside,
        gradient=kept.gradient,
        normalises=kept in (_NORMALISATION, _BATCH_NORMALISATION, _LAYER_NORMALISATION),
    )


def kept_by(layer: Any) -> _Kept:
    """The entry of a layer or operation; one that isn't listed makes a new tensor and keeps nothing."""
    if isinstance(layer, layers.Activation):
        return _ACTIVATIONS.get(name_of(layer.activation), _OTHER_ACTIVATION)
    if max(as_tuple(getattr(layer, "dilation_rate", 1))) > 1 and not isinstance(layer, Dilated):
        return _BY_BLOCKS
    name = type(layer).__name__
    if name in _CLASSES or name.lower() in _ACTIVATIONS:
        return _ACTIVATIONS[_CLASSES.get(name, name.lower())]
    if not isinstance(layer, layers.Layer):
        return _OPERATIONS.get(name, _Kept())
    return next((kept for types, kept in _LAYERS if isinstance(layer, types)), _Kept(saves_input=bool(layer.weights)))


def as_tuple(value: Any) -> tuple[int, ...]:
    """One number, or one an axis, as a tuple."""
    return (value,) if isinstance(value, int) else tuple(value)


def name_of(activation: Any) -> str:
    """Keras's name of an activation function, or of a layer that is used as one."""
    name = str(getattr(activation, "__name__", type(activation).__name__))
    return _CLASSES.get(name, name)


def inner_size(use: Use) -> float:
    """Elements that a layer keeps of what is computed inside it, beyond its input and output."""
    layer, shapes = use.layer, use.call.shapes
    if isinstance(layer, layers.Bidirectional):
        return 2 * inner_size(replace(use, layer=layer.forward_layer))
    for type_, tensors in _RECURRENT:
        if isinstance(layer, type_):
            return float(tensors * shapes[0][0] * getattr(layer, "units", math.prod(use.reads[0].shape[-1:])))
    if isinstance(layer, (layers.SeparableConv1D, layers.SeparableConv2D)):
        return float(math.prod(use.reads[0].shape) // layer.filters * layer.depthwise_kernel.shape[-2] * layer.depth_multiplier)
    if not hasattr(layer, "num_heads") or len(shapes) < 2 or len(shapes[0]) != 2:
        return 0.0
    query, value = shapes[0][0], shapes[1][0]
    width = layer.num_heads * layer.key_dim
    return float(
        2 * layer.num_heads * query * value + 2 * (query + value) * width
    )  # scores before and after softmax; q, k, v, sum
