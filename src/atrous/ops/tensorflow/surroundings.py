"""What TensorFlow is doing around a call, as far as the choice of path depends on it."""

from __future__ import annotations

import functools
import sys

import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_util

from atrous.ops.path import Tracing

EXPORTERS = ("keras.src.export", "keras.src.backend.tensorflow.export", "tf2onnx", "tensorflow.lite")
"""Packages that trace a model anew to write a file that is to run without atrous."""


def tracing() -> Tracing:
    """What a graph is being built for."""
    if tf.executing_eagerly():
        return None
    # A function with jit_compile=True enters XLA's context while it is traced, and so do functions called by it.
    if control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph()):
        return "jit"
    return "export" if _is_exporting() else None


def device() -> str:
    """Kind of the device that will compute: "CPU", "GPU" or another."""
    kind = _accelerator()
    if kind is None:
        return "CPU"
    name = tf.zeros(()).device if tf.executing_eagerly() else tf.no_op().device
    return str(tf.DeviceSpec.from_string(name).device_type or kind)


@functools.cache
def _accelerator() -> str | None:
    """Kind of the devices beside the CPU, where there are any."""
    kinds = {device.device_type for device in tf.config.list_logical_devices()} - {"CPU"}
    return min(kinds, default=None)


def _is_exporting() -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(EXPORTERS):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
