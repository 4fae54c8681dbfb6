"""A backbone with a smaller output stride: late strides go, what follows is dilated, every weight stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from atrous import layers
from atrous.field.graph import graph_of
from atrous.spec import parse_integers
from atrous.surgery.copying import CannotCopyError, copy_model, input_again
from atrous.surgery.grids import CannotDilateError, Change, Plan
from atrous.surgery.twins import TO_ATROUS, Layer, Model, become

Tensor = Any


def to_output_stride(model: Model, output_stride: int | tuple[int, int], pool: str | None = None) -> Model:
    """Gives a backbone a smaller output stride: removes its late strides and dilates what follows, with the same weights.

    The result is exact: its output, at every D-th position along each axis (D is the product of the strides removed there), is
    the output of `model`, at inference, for inputs of any size. In between stand the outputs that `model` would give for an
    input that is shifted, up to what it sees of the border. Layers keep their names; convolutions that change become those of
    `atrous.layers`.

    Args:
        model: A functional or sequential `keras.Model`, such as one of `keras.applications` with `include_top=False`; models
            inside it are changed, too.
        output_stride: Input positions between neighbouring outputs: a power of two, or one for each spatial axis. The first
            strides of the model stay, as many as it takes.
        pool: What to do with a layer that averages all positions (a squeeze-and-excite block, a classifier's head), of which
            the new network has more: `None` refuses, `"sampled"` lets it take those of the original grid, which is exact.

    Returns:
        A new model, a plain `keras.Model` compiled as `model` is; `model` is not changed. Layers are added where there is no
        other way: `StridedPadding` where the padding depends on a length that isn't known, `MaxPooling` of size 1 in front of
        what is sampled, `Cropping` where branches end differently.

    Raises:
        ValueError: An argument breaks its rule, or a layer can't be made exact; the message names it and the reason.

    Source: Chen et al. 2017, "Rethinking Atrous Convolution for Semantic Image Segmentation", arXiv:1706.05587, section 3.1.
    """
    _check(model, pool)
    copy = _copied(model)
    graph = graph_of(copy)
    space = next(iter(graph.space.values()))
    target = _powers_of_two(output_stride, len(space))
    plan = Plan(graph, target, pool == "sampled", _open_lengths(copy), {id(operation) for operation in _operations(copy)})
    _check_reached(plan, output_stride)
    for operation in [*_operations(copy)]:
        operation._inbound_nodes.clear()
        operation._outbound_nodes.clear()
    return _Rebuilding(plan.changes).model(copy, keras.tree.map_structure(input_again, copy.input))


def _check(model: Model, pool: str | None) -> None:
    if not isinstance(model, keras.Model) or not _is_graph(model):
        raise ValueError(f"`model` must be a functional or sequential keras.Model that is built. Received: {model!r}.")
    if pool not in (None, "sampled"):
        raise ValueError(f"`pool` must be None or 'sampled'. Received: pool={pool!r}.")


def _copied(model: Model) -> Model:
    try:
        return copy_model(model)
    except CannotCopyError as error:
        raise ValueError(
            "`model` must be one that Keras can make again from its configuration. "
            f"Received: {error.layer.name!r}, a {type(error.layer).__name__}: {error.reason}."
        ) from error


def _powers_of_two(output_stride: Any, rank: int) -> tuple[int, ...]:
    strides = parse_integers("output_stride", output_stride, rank)
    if any(stride & (stride - 1) for stride in strides):
        raise ValueError(f"`output_stride` must be a power of two. Received: output_stride={output_stride!r}.")
    return strides


def _check_reached(plan: Plan, output_stride: Any) -> None:
    original = tuple(int(stride) for stride, _ in plan.strides)
    reached = tuple(int(stride) for _, stride in plan.strides)
    if any(a > b for a, b in zip(plan.target, original, strict=True)):
        raise ValueError(
            f"`output_stride` must not be above that of the model, {_short(original)}. "
            f"Received: output_stride={output_stride!r}."
        )
    if reached != plan.target:
        raise ValueError(
            f"`output_stride` must be the product of the model's first strides; they come to {_short(reached)} before the next "
            f"is too much. Received: output_stride={output_stride!r}."
        )


def _short(strides: tuple[int, ...]) -> Any:
    return strides[0] if len(set(strides)) == 1 else strides


def _is_graph(model: Any) -> bool:
    return isinstance(model, keras.Model) and getattr(_graph(model), "_nodes", None) is not None


def _graph(model: Model) -> Model:
    return model._functional if isinstance(model, keras.Sequential) else model


def _operations(model: Model) -> Iterator[Any]:
    """Layers and operations that are used in the graph of a model, or of a model in it."""
    for operation in _graph(model).operations:
        yield operation
        if _is_graph(operation):
            yield from _operations(operation)


def _open_lengths(model: Model) -> dict[str, set[int]]:
    return {tensor.name: {d for d, n in enumerate(tensor.shape[1:]) if n is None} for tensor in _graph(model).inputs}


class _Rebuilding:
    """Makes the graph again, with the layers of a copy, some of them changed.

    Args:
        changes: What becomes of each layer, by its id.
    """

    def __init__(self, changes: dict[int, Change]) -> None:
        self.changes = changes
        self.made: dict[Any, Any] = {}

    def model(self, model: Model, inputs: Any) -> Model:
        """A model again, on other inputs."""
        new = keras.models.clone_model(
            _graph(model), input_tensors=inputs, clone_function=lambda operation: operation, call_function=self.call
        )
        new.name, new._trainable = model.name, model._trainable
        return new

    def call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls what became of a layer, model or operation."""
        if _is_graph(operation):
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
            for old, new in zip(_graph(model).inputs, keras.tree.flatten(given), strict=True)
        ]
        return self.model(model, keras.tree.pack_sequence_as(_graph(model).input, inputs))

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
        if type(layer).__name__.startswith(("ZeroPadding", "Cropping")):
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


AVERAGES = (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D, keras.layers.AveragePooling3D)


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


def _sampling(operation: Any, place: int, steps: tuple[int, ...], x: Tensor) -> Layer:
    """Every step-th position: the maximum over windows of one position each."""
    steps, options = _spatial(operation, steps, 1)
    kind = getattr(keras.layers, f"MaxPooling{len(steps)}D")
    return kind(1, strides=steps, dtype=x.dtype, name=_name(operation, "sampled", place), **options)


def _cropping(operation: Any, place: int, amounts: tuple[int, ...], x: Tensor) -> Layer:
    amounts, options = _spatial(operation, amounts, 0)
    kind = getattr(keras.layers, f"Cropping{len(amounts)}D")
    pairs = tuple((0, n) for n in amounts)
    return kind(pairs[0] if len(pairs) == 1 else pairs, dtype=x.dtype, name=_name(operation, "cropped", place), **options)


def _name(operation: Any, what: str, place: int) -> str:
    return f"{operation.name}_{what}" + (f"_{place}" if place else "")


def _spatial(operation: Any, values: tuple[int, ...], nothing: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """What to do to each dim but the channels, and where these are."""
    rank = len(values) - 1
    if 1 <= rank <= 3 and values[-1] == nothing:
        return values[:-1], {} if rank == 1 else {"data_format": "channels_last"}
    if 1 <= rank <= 3 and values[0] == nothing:
        return values[1:], {"data_format": "channels_first"}
    raise CannotDilateError(operation.name, operation, f"its input has {rank + 1} axes beside the batch")


def _check_weights(operation: Any, args: Any, kwargs: Any) -> None:
    """A layer of a class of its own may have a weight for each position: it must run on what it is given now."""
    if isinstance(operation, keras.layers.Layer) and type(operation).__module__.partition(".")[0] not in ("keras", "atrous"):
        _Run(operation).compute_output_spec(*args, **kwargs)


class _Run(keras.Operation):
    """Runs a function on shapes alone."""

    def __init__(self, function: Any) -> None:
        super().__init__(name="run")
        self.call = function
