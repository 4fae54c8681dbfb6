"""Keras on TensorFlow as it comes: the operations that `keras.layers.Conv*` call, eagerly and inside `tf.function`.

They reach `tf.nn.convolution`, which dilates by SpaceToBatchND → Conv → BatchToSpaceND. No XLA: Keras's `jit_compile="auto"`
means none on a machine without a GPU.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.peers.peer import Peer, Variants
from benchmarks.peers.tensorflow import arrays, calls
from benchmarks.suite import Case


class KerasTensorFlow(Peer):
    version = f"keras {keras.__version__}, tensorflow {tf.__version__}"

    def forward(self, case: Case) -> Variants:
        return calls(case.data(), lambda x, w: _conv(case, x, w)).forward

    def training(self, case: Case) -> Variants:
        return calls(case.data(), lambda x, w: _conv(case, x, w)).training

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        return arrays(case, result)


def _conv(case: Case, x: Any, w: Any) -> Any:
    geometry = {"padding": case.padding, "dilation_rate": case.rates}
    if case.transposed:
        return keras.ops.conv_transpose(x, w, case.strides, **geometry)
    if case.depthwise:
        return keras.ops.depthwise_conv(x, tf.reshape(w, (*case.kernel, case.channels, -1)), case.strides, **geometry)
    if case.padding == "causal":  # as keras.layers.Conv1D does
        x = keras.ops.pad(x, [(0, 0), *case.pads, (0, 0)])
        geometry["padding"] = "valid"
    return keras.ops.conv(x, w, case.strides, **geometry)


peer = KerasTensorFlow
