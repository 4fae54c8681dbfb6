"""The graph of a model made again, with some of its layers changed and others put in between."""

from __future__ import annotations

from typing import Any

import keras

from atrous import layers
from atrous.surgery.plan import EXACT, Amounts, CannotDilateError, Change
from atrous.surgery.twins import TO_ATROUS, Layer, Model, become

Tensor = Any

AVERAGES = (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D, keras.layers.AveragePooling3D)
SAFE = {*EXACT, keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding}
"""Layers whose weights know nothing of positions."""


def is_graph(model: Any) -> bool:
    """Whether a layer is a model that has a graph."""
    return isinstance(model, keras.Model) and getattr(graph_model(model), "_nodes", None) is not None


def graph_model(model: Model) -> Model:
    """The functional model that a model is, or is made of."""
    return model._functional if isinstance(model, keras.Sequential) else model


class Rebuilding:
    """Makes the graph again, with the layers of a copy, some of them changed.

    Args:
        changes: What becomes of each layer, by its id.
    """

    def __init__(self, changes: dict[int, Change]) -> None:
        self.changes = changes
        self.made: dict[Any, Any] = {}

    def model(self, model: Model, inputs: Any) -> Model:
        """A model again, on other inputs; not compiled."""
        graph = graph_model(model)
        graph.compiled = False
        new = keras.models.clone_model(graph, inputs, clone_function=lambda operation: operation, call_function=self.call)
        new.name, new._trainable = model.name, model._trainable
        return new

    def call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls what became of a layer, model or operation."""
        if is_graph(operation):
            return self._once(operation, "itself", lambda: self._inner(operation, args[0]))(*args, **kwargs)
        change = self.changes.get(id(operation), Change())
        args, kwargs = self._prepared(operation, change, args, kwargs)
        try:
            if not change.options:
                _check_weights(operation, args, kwargs)
                return operation(*args, **kwargs)
            return self._changed(operation, change, args[0])
        except Exception as error:  # any of Keras's, or of the user's own code
            reason = f"on the denser grid, {type(error).__name__}: {error}"
            raise CannotDilateError(operation.name, operation, reason) from error

    def _once(self, operation: Any, part: str, make: Any) -> Any:
        """What is made for a layer, the same one wherever the layer is used."""
        if (id(operation), part) not in self.made:
            self.made[id(operation), part] = make()
        return self.made[id(operation), part]

    def _inner(self, model: Model, given: Any) -> Model:
        """A model inside: lengths that it leaves open stay so, the others are those that come."""
        inputs = [
            keras.Input(
                batch_shape=[None if n is None else m for n, m in zip(old.shape, new.shape, strict=True)],
                dtype=old.dtype,
                name=old.name,
            )
            for old, new in zip(graph_model(model).inputs, keras.tree.flatten(given), strict=True)
        ]
        return self.model(model, keras.tree.pack_sequence_as(graph_model(model).input, inputs))

    def _prepared(self, operation: Any, change: Change, args: Any, kwargs: Any) -> Any:
        """The arguments of a call, with the tensors among them cut and sampled."""
        places = iter(range(len(keras.tree.flatten((args, kwargs)))))

        def prepare(value: Any) -> Any:
            if not isinstance(value, keras.KerasTensor):
                return value
            place = next(places)
            value = self._inserted("sample", _sampling, operation, place, change.samples.get(place), value)
            return self._inserted("crop", _cropping, operation, place, change.crops.get(place), value)

        return keras.tree.map_structure(prepare, (args, kwargs))

    def _inserted(self, part: str, make: Any, operation: Any, place: int, amounts: Any, x: Tensor) -> Tensor:
        if amounts is None:
            return x
        return self._once(operation, f"{part} {place}", lambda: make(operation, place, amounts, x))(x)

    def _changed(self, layer: Layer, change: Change, x: Tensor) -> Tensor:
        if hasattr(layer, "pool_size"):
            return self._pooled(layer, change, x)
        if "Padding" in type(layer).__name__ or "Cropping" in type(layer).__name__:
            return self._once(layer, "changed", lambda: _with(layer, type(layer), change.options))(x)
        if change.padding is not None:
            x = self._once(layer, "padding", lambda: _strided_padding(layer, change))(x)
        if self._once(layer, "changed", lambda: _convolution(layer, change)) is layer:
            layer._build_shapes_dict = {"input_shape": tuple(x.shape)}
        return layer(x)

    def _pooled(self, layer: Layer, change: Change, x: Tensor) -> Tensor:
        """A pooling; a mean over padding that depends on the length is divided by the mean of ones there."""
        pool = self._once(layer, "changed", lambda: _pooling(layer, change.options, layer.name))
        if change.padding is None:
            return pool(x)
        is_mean = isinstance(layer, AVERAGES)
        value = 0.0 if is_mean else float("-inf")
        padding = self._once(layer, "padding", lambda: _strided_padding(layer, change, value=value))
        if not is_mean:
            return pool(padding(x))
        share = self._once(layer, "share", lambda: _pooling(layer, change.options, f"{layer.name}_share"))
        ones = self._once(layer, "ones", lambda: _strided_padding(layer, change, name=f"{layer.name}_ones"))
        one_channel = x[..., :1] if layer.data_format == "channels_last" else x[:, :1]
        return pool(padding(x)) / share(ones(keras.ops.ones_like(one_channel)))


def _with(layer: Layer, kind: type, options: dict[str, Any]) -> Layer:
    return kind(**{**layer.get_config(), **options})


def _convolution(layer: Layer, change: Change) -> Layer:
    """Changes a convolution where it stands."""
    if type(layer) in TO_ATROUS:
        become(layer, TO_ATROUS[type(layer)])
    for name, value in change.options.items():
        setattr(layer, name, value)
    return layer


def _pooling(layer: Layer, options: dict[str, Any], name: str) -> Layer:
    """A pooling layer of Keras where Keras has it, else of ours."""
    options = {**options, "name": name}
    kind = next(base.__name__ for base in type(layer).__mro__ if base.__module__.startswith("keras"))
    if max(options["dilation_rate"]) == 1 and isinstance(options["padding"], str):
        del options["dilation_rate"]
        config = {key: value for key, value in layer.get_config().items() if key != "dilation_rate"}
        return getattr(keras.layers, kind)(**{**config, **options})
    return _with(layer, getattr(layers, kind), options)


def _strided_padding(layer: Layer, change: Change, value: float = 0.0, name: str | None = None) -> Layer:
    return layers.StridedPadding(
        **(change.padding or {}), value=value, name=name or f"{layer.name}_padding", dtype=layer.dtype_policy
    )


def _sampling(operation: Any, place: int, steps: Amounts, x: Tensor) -> Layer:
    """Every step-th position: the maximum over windows of one position each."""
    options = {"strides": _spatial(operation, steps, 1), "data_format": _data_format(steps)}
    kind = getattr(keras.layers, f"MaxPooling{len(steps) - 1}D")
    return kind(1, dtype=x.dtype, name=_name(operation, "sampled", place), **options)


def _cropping(operation: Any, place: int, amounts: Amounts, x: Tensor) -> Layer:
    pairs = tuple((0, n) for n in _spatial(operation, amounts, 0))
    kind = getattr(keras.layers, f"Cropping{len(pairs)}D")
    options = {"cropping": pairs, "data_format": _data_format(amounts)} if len(pairs) > 1 else {"cropping": pairs[0]}
    return kind(dtype=x.dtype, name=_name(operation, "cropped", place), **options)


def _name(operation: Any, what: str, place: int) -> str:
    return f"{operation.name}_{what}" + (f"_{place}" if place else "")


def _spatial(operation: Any, amounts: Amounts, nothing: int) -> tuple[int, ...]:
    """What to do to each dim but the channels."""
    rank = len(amounts) - 1
    if rank not in (1, 2, 3) or None not in (amounts[0], amounts[-1]) or (rank == 1 and amounts[-1] is not None):
        raise CannotDilateError(operation.name, operation, "its input isn't (batch, *space, channels)")
    space = amounts[:-1] if amounts[-1] is None else amounts[1:]
    return tuple(nothing if n is None else n for n in space)


def _data_format(amounts: Amounts) -> str:
    return "channels_last" if amounts[-1] is None else "channels_first"


def _check_weights(operation: Any, args: Any, kwargs: Any) -> None:
    """A layer may have a weight for each position: then it must run on what it is given now."""
    if isinstance(operation, keras.layers.Layer) and type(operation) not in SAFE:
        own = type(operation).__module__.partition(".")[0] not in ("keras", "atrous")
        if own or any(len(weight.shape) > 1 for weight in operation.weights):
            _Run(operation).compute_output_spec(*args, **kwargs)


class _Run(keras.Operation):
    """Runs a function on shapes alone."""

    def __init__(self, function: Any) -> None:
        super().__init__(name="run")
        self.call = function
