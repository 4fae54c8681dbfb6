"""The table of operations, and what each must give: for tests of every path they may take on TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

import oracle
from atrous import ops
from atrous.spec import ConvSpec

# name: function, input shape, kernel shape, geometry
TABLE: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...], ConvSpec]] = {
    "conv1d": (ops.conv, (2, 19, 4), (3, 4, 6), ConvSpec.parse(1, 3, 1, 4, "causal")),
    "conv1d strided": (ops.conv, (2, 19, 4), (3, 4, 6), ConvSpec.parse(1, 3, 2, 3, "same")),
    "conv2d": (ops.conv, (2, 11, 9, 4), (3, 3, 4, 6), ConvSpec.parse(2, 3, 1, 2, "same")),
    "conv2d explicit": (ops.conv, (2, 11, 9, 4), (3, 2, 4, 6), ConvSpec.parse(2, (3, 2), 1, (2, 3), ((1, 5), (0, 2)))),
    "conv2d strided": (ops.conv, (2, 11, 9, 4), (3, 3, 4, 6), ConvSpec.parse(2, 3, (2, 3), (3, 2), "same")),
    "conv2d undilated": (ops.conv, (2, 11, 9, 4), (3, 3, 4, 6), ConvSpec.parse(2, 3, 2, 1, ((2, 1), (0, 1)))),
    "conv2d grouped": (ops.conv, (2, 11, 9, 4), (3, 3, 2, 6), ConvSpec.parse(2, 3, 1, 2, "same", groups=2)),
    "conv3d": (ops.conv, (1, 7, 6, 8, 3), (2, 3, 2, 3, 4), ConvSpec.parse(3, (2, 3, 2), 1, (3, 2, 2), "same")),
    "conv3d uneven": (ops.conv, (1, 7, 6, 8, 3), (2, 3, 2, 3, 4), ConvSpec.parse(3, (2, 3, 2), 1, (2, 1, 3), "same")),
    "conv3d strided": (ops.conv, (1, 7, 6, 8, 3), (2, 3, 2, 3, 4), ConvSpec.parse(3, (2, 3, 2), 2, (1, 2, 2), "same")),
    "conv3d grouped": (ops.conv, (1, 7, 6, 8, 4), (2, 2, 2, 2, 4), ConvSpec.parse(3, 2, 1, 2, "same", groups=2)),
    "depthwise1d": (ops.depthwise_conv, (2, 19, 4), (3, 4, 2), ConvSpec.parse(1, 3, 1, 3, "causal")),
    "depthwise2d": (ops.depthwise_conv, (2, 11, 9, 4), (3, 3, 4, 2), ConvSpec.parse(2, 3, 1, (2, 3), "same")),
    "depthwise2d strided": (ops.depthwise_conv, (2, 11, 9, 4), (3, 3, 4, 1), ConvSpec.parse(2, 3, (2, 1), 2, "same")),
    "depthwise2d undilated": (ops.depthwise_conv, (2, 11, 9, 4), (3, 3, 4, 1), ConvSpec.parse(2, 3, 2, 1, "same")),
    "depthwise2d row": (ops.depthwise_conv, (2, 1, 9, 4), (1, 3, 4, 1), ConvSpec.parse(2, (1, 3), (1, 2), 2, (3, 2))),
    "transpose1d": (ops.conv_transpose, (2, 9, 4), (3, 6, 4), ConvSpec.parse(1, 3, 2, 2, "causal")),
    "transpose2d": (ops.conv_transpose, (2, 5, 4, 4), (3, 3, 6, 4), ConvSpec.parse(2, 3, 1, 2, "same")),
    "transpose2d strided": (ops.conv_transpose, (2, 5, 4, 4), (3, 3, 6, 4), ConvSpec.parse(2, 3, 2, 3, "valid")),
    "transpose2d undilated": (ops.conv_transpose, (2, 5, 4, 4), (3, 3, 6, 4), ConvSpec.parse(2, 3, 2, 1, "same")),
    "transpose3d": (ops.conv_transpose, (1, 4, 3, 4, 2), (2, 2, 2, 3, 2), ConvSpec.parse(3, 2, 1, 2, "same")),
}
DTYPES = ("float32", "float64", "bfloat16", "float16")


def to_layout(a: Any, layout: str) -> Any:
    return a if layout == "channels_last" else np.moveaxis(a, -1, 1)


def definition(name: str, x: Any, w: Any, g: Any) -> list[np.ndarray]:
    """Output, input gradient and kernel gradient."""
    function, _, _, spec = TABLE[name]
    s, r = spec.strides, spec.dilation_rate
    if function is ops.conv_transpose:
        axes = spec.transposed()
        none = [(0, 0)] * spec.rank
        y = oracle.conv_transpose(x, w, s, r, [axis.before for axis in axes], g.shape[1:-1])
        reach = [(n - 1) * a + e for n, a, e in zip(x.shape[1:-1], s, spec.effective_kernel_size, strict=True)]
        around = [(axis.before, max(f - axis.before - n, 0)) for axis, f, n in zip(axes, reach, g.shape[1:-1], strict=True)]
        wide = np.pad(g, [(0, 0), *around, (0, 0)])[(slice(None), *map(slice, reach))]
        return [y, oracle.conv(wide, w, s, r, none), oracle.kernel_gradient(wide, x, spec.kernel_size, s, r, none)]
    groups = spec.groups
    flat = w
    if function is ops.depthwise_conv:
        groups, flat = x.shape[-1], w.reshape(*w.shape[:-2], 1, -1)
    pads = oracle.pads(x.shape[1:-1], spec.kernel_size, s, r, spec.padding)
    return [
        oracle.conv(x, flat, s, r, pads, groups),
        oracle.input_gradient(g, flat, x.shape[1:-1], s, r, pads, groups),
        oracle.kernel_gradient(x, g, spec.kernel_size, s, r, pads, groups).reshape(w.shape),
    ]


def forward_and_gradients(name: str, layout: str) -> Any:
    function, _, _, spec = TABLE[name]

    def forward(x: Any, w: Any) -> Any:
        return function(x, w, spec, data_format=layout)

    def all_three(x: Any, w: Any, g: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch((x, w))
            y = forward(x, w)
        return [y, *tape.gradient(y, (x, w), g)]

    return forward, all_three


def data(name: str, dtype: str) -> tuple[Any, Any]:
    _, x_shape, w_shape, _ = TABLE[name]
    generator = np.random.default_rng(0)
    return tuple(tf.cast(generator.standard_normal(shape), dtype) for shape in (x_shape, w_shape))
