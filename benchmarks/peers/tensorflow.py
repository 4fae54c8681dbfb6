"""TensorFlow by its native operations: the `dilations` attribute of Conv2D and its gradients.

Eagerly and inside `tf.function`, whichever is faster: the call of a function alone takes a tenth of a millisecond and more.

Convolutions over time go through Conv2D with a height of 1, as `tf.nn.conv1d` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks.peers.peer import Peer, UnsupportedError, Variants, over_two_axes, two
from benchmarks.suite import Case

Conv = Callable[[Any, Any], Any]
# Of a dilated Conv2D with explicit pads TensorFlow has no gradient; that of a dilated depthwise operation ignores the rate.
WITHOUT_GRADIENT = ("explicit pads", "operation")


class Calls(NamedTuple):
    """Two calls without arguments, each eagerly and as a function that is traced when it is called first."""

    forward: Variants
    training: Variants


def calls(data: Sequence[np.ndarray], conv: Conv, name: str = "") -> Calls:
    """A convolution and its gradients. Functions get the data as arguments: there is no constant to fold."""
    x, w = (tf.constant(a) for a in data)

    def step(x: Any, w: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            loss = tf.reduce_sum(tf.square(conv(x, w)))
        return tape.gradient(loss, [x, w])

    def modes(call: Conv) -> Variants:
        function = tf.function(call, autograph=False)
        return {f"{name} eager".strip(): lambda: call(x, w), f"{name} function".strip(): lambda: function(x, w)}

    return Calls(modes(conv), modes(step))


def arrays(case: Case, result: Any) -> tuple[np.ndarray, ...]:
    """Tensors as arrays of the case's shapes."""
    shapes = (case.shape, case.weights) if isinstance(result, (list, tuple)) else (case.output,)
    return tuple(t.numpy().reshape(shape) for t, shape in zip(tf.nest.flatten(result), shapes, strict=True))


class TensorFlow(Peer):
    version = f"tensorflow {tf.__version__}"

    def forward(self, case: Case) -> Variants:
        data = over_two_axes(case)
        return {n: call for name, conv in _convs(case).items() for n, call in calls(data, conv, name).forward.items()}

    def training(self, case: Case) -> Variants:
        data = over_two_axes(case)
        convs = {name: conv for name, conv in _convs(case).items() if name not in WITHOUT_GRADIENT}
        return {n: call for name, conv in convs.items() for n, call in calls(data, conv, name).training.items()}

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        return arrays(case, result)


def _convs(case: Case) -> dict[str, Conv]:
    rates, strides, pads = two(case, case.rates, 1), two(case, case.strides, 1), two(case, case.pads, (0, 0))
    if case.transposed:
        size = (case.shape[0], *two(case, case.wide, 1), case.filters)
        return {"": lambda x, w: tf.nn.conv2d_transpose(x, w, size, strides, "SAME", dilations=rates)}
    if case.depthwise:
        return _depthwise(case, strides, rates)
    if case.padding == "same":
        return {"": lambda x, w: tf.nn.conv2d(x, w, strides, "SAME", dilations=rates)}
    explicit = [(0, 0), *pads, (0, 0)]
    return {
        "pad": lambda x, w: tf.nn.conv2d(tf.pad(x, explicit), w, strides, "VALID", dilations=rates),
        "explicit pads": lambda x, w: tf.nn.conv2d(x, w, strides, explicit, dilations=rates),
    }


def _depthwise(case: Case, strides: Sequence[int], rates: Sequence[int]) -> dict[str, Conv]:
    if case.padding != "same":
        raise UnsupportedError("depthwise is written for padding 'same' only")
    shape = (*two(case, case.kernel, 1), case.channels, case.filters // case.channels)
    steps, dilations = (1, *strides, 1), (1, *rates, 1)
    native = tf.raw_ops.DepthwiseConv2dNative
    return {
        "space to batch": lambda x, w: tf.nn.depthwise_conv2d(x, tf.reshape(w, shape), steps, "SAME", dilations=rates),
        "operation": lambda x, w: native(
            input=x, filter=tf.reshape(w, shape), strides=steps, padding="SAME", dilations=dilations
        ),
    }


peer = TensorFlow
