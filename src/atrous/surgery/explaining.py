"""Which path every convolution of a model takes, and why: asked of the same function that the layers ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from atrous.layers.dilated import Dilated
from atrous.ops import native, path_of
from atrous.ops.path import Path, choose
from atrous.spec import ConvSpec
from atrous.surgery.convolutions import convolutions, spec_of
from atrous.surgery.copying import plain_class
from atrous.surgery.explanation import Explanation, Row, Shape
from atrous.surgery.rehearsal import calls
from atrous.surgery.twins import TO_ATROUS, TO_KERAS, Layer, Model, every_layer

LEGEND = "Algorithm: forward, then gradients where theirs differ. Multiply-adds: those that meet data, and their share."
NO_SIZES = "Sizes are not known. Give `input_shape` with the batch, such as (1, 224, 224, 3), to see algorithms and work."
XLA = "Keras's jit_compile='auto' means no XLA on a machine without a GPU: nothing has to be set to have the native path there."


def explain(model: Model, input_shape: Any = None) -> Explanation:
    """Says which path every convolution of a model takes, native or stock, and why.

    Args:
        model: A model that is built. It isn't changed, and nothing is computed.
        input_shape: Shape of the input with its batch, such as (1, 224, 224, 3), or a structure of shapes as the model's inputs
            are. Taken from the model if `None`, with a batch of 1; where lengths stay unknown, algorithms are not shown.

    Returns:
        An `Explanation`: a table when it is printed, and its `rows`.

    Raises:
        ValueError: The model isn't built, or the shape doesn't fit it.
    """
    if not isinstance(model, keras.layers.Layer) or not model.built:
        raise ValueError(f"`model` must be a Keras model that is built; call it once, or `model.build`. Received: {model!r}.")
    layers = [layer for layer in every_layer(model) if isinstance(layer, tuple(TO_ATROUS))]
    shape = _known_shape(model, input_shape)
    called = calls(model, shape, layers) if shape is not None and layers else []
    silent = [(layer, None) for layer in layers if id(layer) not in {id(layer) for layer, _ in called}]
    compiled = bool(getattr(model, "compiled", False) and model.jit_compile)  # by XLA
    rows = [row for layer, size in [*called, *silent] for row in _rows(layer, size, compiled)]
    return Explanation(tuple(rows), tuple(_notes(rows, shape)))


def _known_shape(model: Model, input_shape: Any) -> Any:
    """The shapes to run the model with; `None` where a length is unknown."""
    own = _graph_shape(model)
    if input_shape is None:
        own = own or (model.get_build_config() or {}).get("input_shape")
        if own is None:
            return None
        input_shape = keras.tree.map_shape_structure(lambda shape: (shape[0] or 1, *shape[1:]), own)
    elif _is_shape(own) and not _fits(input_shape, own):
        raise ValueError(f"`input_shape` must fit the model's, {own}, batch included. Received: input_shape={input_shape!r}.")
    lengths: list[int | None] = []
    keras.tree.map_shape_structure(lengths.extend, input_shape)
    return None if None in lengths else input_shape


def _graph_shape(model: Model) -> Any:
    """What a model that is a graph of layers takes; of others Keras knows only what they were called with."""
    if type(model) is keras.Sequential:
        return model.input_shape
    is_graph = isinstance(model, plain_class())
    return keras.tree.map_structure(lambda tensor: tensor.shape, model.input) if is_graph else None


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(n is None or isinstance(n, int) for n in value)


def _fits(shape: Any, own: Any) -> bool:
    return _is_shape(shape) and len(shape) == len(own) and all(n == m or m is None for n, m in zip(shape, own, strict=True))


def _rows(layer: Layer, shape: Shape | None, compiled: bool) -> Iterator[Row]:
    if not layer.built:
        yield Row(layer.name, _kind(layer), _geometry(spec_of(layer)), None, None, False, "it isn't built")
        return
    for one in convolutions(layer, shape):
        path, ours = _path(one.spec, layer.compute_dtype, compiled), isinstance(layer, Dilated)
        shapes = (None, None) if shape is None else one.shapes(layer.data_format)
        yield Row(
            layer=f"{layer.name} ({one.part})" if one.part else layer.name,
            kind=_kind(layer),
            geometry=_geometry(one.spec),
            input_shape=shapes[0],
            output_shape=shapes[1],
            native=path.native and ours,
            why=_why(layer, path),
            plans=one.plans() if path.native and ours else {},
        )


def _path(spec: ConvSpec, dtype: str, compiled: bool) -> Path:
    path = path_of(spec, dtype)
    return choose(spec, dtype, tracing="jit") if compiled and path.native else path


def _why(layer: Layer, path: Path) -> str:
    if isinstance(layer, Dilated):
        return path.why
    if type(layer) not in TO_ATROUS:
        base = next(base for base in type(layer).__mro__ if base in TO_ATROUS)
        return f"a subclass of keras.layers.{base.__name__}, which may compute something else"
    return "a Keras layer, which `atrous.accelerate` makes native" if path.native else path.why


def _kind(layer: Layer) -> str:
    name = type(layer).__name__
    if type(layer) in TO_ATROUS:
        return f"keras.layers.{name}"
    return f"atrous.layers.{name}" if type(layer) in TO_KERAS else f"{type(layer).__module__}.{name}"


def _geometry(spec: ConvSpec) -> str:
    words = ["×".join(map(str, spec.kernel_size))]
    for word, values in (("rate", spec.dilation_rate), ("stride", spec.strides)):
        if max(values) > 1:
            words.append(f"{word} {'×'.join(map(str, dict.fromkeys(values) if len(set(values)) == 1 else values))}")
    if spec.padding != "valid":
        words.append(str(spec.padding).replace(" ", ""))
    return " ".join(words)


def _notes(rows: Sequence[Row], shape: Any) -> Iterator[str]:
    if not rows:
        yield "The model has no convolution layer."
    elif shape is None:
        yield NO_SIZES
    if any(row.plans for row in rows):
        yield LEGEND
    if any(row.native for row in rows):
        yield f"Native core: {native.core().isa()}, threads: {native.core().threads()}."
    if keras.config.backend() == "tensorflow":
        yield XLA
