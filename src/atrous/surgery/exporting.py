"""Export of a model that runs where atrous isn't installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras

from atrous.ops.native import portable
from atrous.surgery.twins import Model

NATIVE_OPERATIONS = "Atrous"
"""What the names of native operations begin with."""


def export(model: Model, path: str | Path, format: str = "tf_saved_model", **options: Any) -> Path:
    """Writes `model` for other runtimes: `keras.Model.export` with stock operations only, and a look at what came out.

    Args:
        model: A `keras.Model` that is built.
        path: The folder or file to write.
        format: What Keras knows: `"tf_saved_model"`, `"onnx"`, `"litert"`, `"openvino"`, `"torch"`.
        **options: Of `keras.Model.export`; it is silent unless `verbose=True`.

    Returns:
        `path`.

    Raises:
        ValueError: Something in the model was traced before, with native operations in it, and would be exported so.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a keras.Model. Received: {model!r}.")
    options = {"verbose": False, **options}
    if format == "onnx" and getattr(model, "inputs", None):  # Keras finds the signature only of a model that has been called
        options.setdefault("input_signature", model.inputs if isinstance(model, keras.Sequential) else [model.input])
    with portable():
        model.export(path, format=format, **options)
    names = READERS[format](Path(path)) if format in READERS else ()
    native = sorted({name for name in names if name.startswith(NATIVE_OPERATIONS)})
    if native:
        raise ValueError(
            f"`model` must not hold functions that were traced before with native operations. Received: {', '.join(native)} in "
            f"{path}. Load the model anew, or export `atrous.to_keras(model)`."
        )
    return Path(path)


def _saved_model(path: Path) -> Iterator[str]:
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for graph in model.meta_graphs:
        yield from (node.op for node in graph.graph_def.node)
        yield from (node.op for function in graph.graph_def.library.function for node in function.node_def)


def _onnx(path: Path) -> Iterator[str]:
    import onnx

    model = onnx.load(path, load_external_data=False)
    yield from (node.op_type for node in model.graph.node)
    yield from (node.op_type for function in model.functions for node in function.node)


READERS: dict[str, Callable[[Path], Iterator[str]]] = {"tf_saved_model": _saved_model, "onnx": _onnx}
"""The names of all operations in a file, for the formats whose converters let unknown ones through."""
