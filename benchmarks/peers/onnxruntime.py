"""ONNX Runtime: a model of one Conv node whose weights are constants, so that it may pack them once. Inference only."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.peer import Peer, Variants, channels_first, filters_first, over_two_axes, two
from benchmarks.suite import Case

OPSET, IR = 17, 8  # old enough for every release


class OnnxRuntime(Peer):
    version = f"onnxruntime {onnxruntime.__version__}"

    def forward(self, case: Case) -> Variants:
        square = (two(case, case.strides, 1), two(case, case.rates, 1), two(case, case.pads, (0, 0)))
        variants = {"two axes": _session(case, *over_two_axes(case), *square)}
        if case.rank == 1:
            variants["one axis"] = _session(case, *case.data(), case.strides, case.rates, case.pads)
        return variants

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        return (np.moveaxis(result.numpy(), 1, -1).reshape(case.output),)


def _session(case: Case, x: np.ndarray, w: np.ndarray, strides: Any, rates: Any, pads: Any) -> Callable[[], Any]:
    x = channels_first(x)
    size = case.output[1:-1] if len(strides) == case.rank else (1, *case.output[1:-1])
    node = helper.make_node(
        "ConvTranspose" if case.transposed else "Conv",
        ["x", "w"],
        ["y"],
        strides=strides,
        dilations=rates,
        group=case.groups,
        pads=[pair[side] for side in (0, 1) for pair in pads],
    )
    output = (case.shape[0], case.filters, *size)
    graph = helper.make_graph(
        [node],
        case.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(filters_first(w), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model, full_check=True)
    return _bound(onnxruntime.InferenceSession(model.SerializeToString(), _options(), ["CPUExecutionProvider"]), x, output)


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0))))
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # its threads are idle when others are timed
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return options


def _bound(session: Any, x: np.ndarray, output: tuple[int, ...]) -> Callable[[], Any]:
    """A call without copies: input and output stay where they are."""
    y = onnxruntime.OrtValue.ortvalue_from_shape_and_type(output, np.float32, "cpu")
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x, "cpu"))
    binding.bind_ortvalue_output("y", y)

    def call() -> Any:
        session.run_with_iobinding(binding)
        return y

    return call


peer = OnnxRuntime
