"""This library as a TensorFlow user meets it: `atrous.ops`, eagerly and inside `tf.function`, whichever is faster."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from atrous import __version__, ops
from atrous.ops import native
from atrous.spec import ConvSpec
from benchmarks.peers.peer import Peer, Variants
from benchmarks.peers.tensorflow import arrays, calls
from benchmarks.suite import Case


class AtrousTensorFlow(Peer):
    version = f"atrous {__version__}, tensorflow {tf.__version__}, native: {native.why_not() or 'yes'}"

    def forward(self, case: Case) -> Variants:
        return calls(case.data(), _conv(case)).forward

    def training(self, case: Case) -> Variants:
        return calls(case.data(), _conv(case)).training

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        return arrays(case, result)


def _conv(case: Case) -> Any:
    spec = ConvSpec.parse(case.rank, case.kernel, case.strides, case.rates, case.padding, case.groups)
    if case.transposed:
        return lambda x, w: ops.conv_transpose(x, w, spec)
    if case.depthwise:
        shape = (*case.kernel, case.channels, case.filters // case.channels)
        return lambda x, w: ops.depthwise_conv(x, tf.reshape(w, shape), spec)
    return lambda x, w: ops.conv(x, w, spec)


peer = AtrousTensorFlow
