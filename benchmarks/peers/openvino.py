"""OpenVINO: a model of one convolution whose weights are constants, so that it may pack them once. Inference only."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as opset

from benchmarks.peers.peer import Peer, Variants, channels_first, filters_first, over_two_axes, two
from benchmarks.suite import Case

CONFIG = {
    "INFERENCE_NUM_THREADS": int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0)))),
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",  # it would choose bfloat16 where the processor has it
    "ENABLE_CPU_PINNING": False,  # the process is pinned already
}


class OpenVino(Peer):
    version = f"openvino {openvino.__version__}"

    def forward(self, case: Case) -> Variants:
        x, w = over_two_axes(case)
        data = channels_first(x)
        parameter = opset.parameter(data.shape, np.float32, "x")
        result = _node(case, parameter, filters_first(w))
        request = (
            openvino.Core()
            .compile_model(openvino.Model([result], [parameter], case.name), "CPU", CONFIG)
            .create_infer_request()
        )
        request.set_input_tensor(openvino.Tensor(data))

        def call() -> Any:
            request.infer(share_outputs=True)
            return request.get_output_tensor()

        return {"": call}

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        return (np.moveaxis(np.array(result.data), 1, -1).reshape(case.output),)


def _node(case: Case, x: Any, w: np.ndarray) -> Any:
    pads = two(case, case.pads, (0, 0))
    before, after = [pair[0] for pair in pads], [pair[1] for pair in pads]
    strides, rates = list(two(case, case.strides, 1)), list(two(case, case.rates, 1))
    if case.transposed:
        return opset.convolution_backprop_data(x, w, strides, None, before, after, rates)
    if case.groups > 1:
        grouped = w.reshape(case.groups, case.filters // case.groups, *w.shape[1:])
        return opset.group_convolution(x, grouped, strides, before, after, rates)
    return opset.convolution(x, w, strides, before, after, rates)


peer = OpenVino
