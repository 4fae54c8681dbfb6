"""An exact copy of a model: structure, names, weights, what is frozen, how it is compiled, the optimizer's state.

`keras.models.clone_model` copies the graph. What it leaves out is here: layers shared between nested models and wrappers stay
shared, a model of a class of its own keeps it, functions are taken as they are, and all values are copied.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from atrous.surgery.twins import TO_ATROUS, Layer, Model, become, every_layer

LAMBDA_WARNING = ".*`lambda`.*"
"""Keras warns of lambdas in files; nothing is written here."""


TWINS = [set(pair) for pair in TO_ATROUS.items()]


class CannotCopyError(ValueError):
    """A model that can only be changed in place, and the layer that is the reason."""

    def __init__(self, layer: Layer, reason: str) -> None:
        self.layer, self.reason = layer, reason
        super().__init__(
            "`model` must be one that Keras can make again from its configuration; pass `inplace=True` to change the model "
            f"itself. Received: {layer.name!r}, a {type(layer).__name__}: {reason}."
        )


def copy_model(model: Model) -> Model:
    """Returns a model that shares nothing with `model` but functions.

    Raises:
        CannotCopyError: Keras cannot make it again from its configuration, or makes another one.
    """
    with warnings.catch_warnings(), _known_classes(model):
        warnings.filterwarnings("ignore", LAMBDA_WARNING)
        copy = _copy(model, {})
        if model.built and not copy.built:
            copy.build_from_config(model.get_build_config())
    pairs = _pairs(model, copy)
    for layer, twin in pairs:
        try:
            _copy_state(layer, twin)
        except Exception as error:  # any of the user's own code
            raise CannotCopyError(layer, _first_sentence(error)) from error
    _copy_values(model.variables, copy.variables)
    for layer, twin in pairs:
        _copy_optimizer(layer, twin)
    return copy


def _copy(layer: Layer, copies: dict[int, Layer]) -> Layer:
    """A layer, wrapper or model made again without its values; once, wherever it is used."""
    if id(layer) not in copies:
        try:
            copies[id(layer)] = _make_again(layer, copies)
        except CannotCopyError:
            raise
        except NotImplementedError as error:
            raise CannotCopyError(layer, "it has no `get_config()`") from error
        except Exception as error:  # any of Keras's, or of the user's own code
            raise CannotCopyError(layer, _first_sentence(error)) from error
    return copies[id(layer)]


def _make_again(layer: Layer, copies: dict[int, Layer]) -> Layer:
    if type(layer) in (keras.Sequential, plain_class()):
        return keras.models.clone_model(
            layer,
            input_tensors=None if type(layer) is keras.Sequential else keras.tree.map_structure(input_again, layer.input),
            clone_function=lambda inner: _copy(inner, copies),
        )
    if not isinstance(layer, keras.Model):
        if _inherits(layer, keras.layers.Wrapper):
            return type(layer)(**{**layer.get_config(), "layer": _copy(layer.layer, copies)})
        if _inherits(layer, keras.layers.Lambda) or _inherits(layer, keras.layers.Layer):
            config = layer.get_config()
            return type(layer)(**{**config, **_functions(layer, config)})
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer), safe_mode=False)


@functools.cache
def plain_class() -> Any:
    """What `keras.Model(inputs, outputs)` is; Keras doesn't export it."""
    nothing = keras.Input((1,), name="nothing")  # named, so that no counter of automatic names moves
    return type(keras.Model(nothing, nothing, name="nothing"))


def _inherits(layer: Layer, base: Any) -> bool:
    """Whether a layer is made from its configuration as `base` is."""
    return bool(type(layer).from_config.__func__ is base.from_config.__func__)


def input_again(tensor: Any) -> Any:
    """A model's input again, with all that its input layer knows."""
    layer = tensor._keras_history.operation
    return keras.Input(
        batch_shape=layer.batch_shape, dtype=layer.dtype, sparse=layer.sparse, optional=layer.optional, name=layer.name
    )


def _functions(layer: Layer, config: dict[str, Any]) -> dict[str, Any]:
    """The layer's functions (activations, a Lambda's own) of which the configuration has more than Keras's name."""
    functions = {name: value for name, value in vars(layer).items() if isinstance(value, types.FunctionType)}
    return {name: functions[name] for name, value in config.items() if isinstance(value, dict) and name in functions}


@contextlib.contextmanager
def _known_classes(model: Model) -> Iterator[None]:
    """Inside, Keras finds the classes of the model's layers, and what it is compiled with, though they are not registered."""
    compiled = getattr(getattr(model, "_compile_config", None), "config", {})
    own = [*map(type, every_layer(model)), *map(_function_or_class, keras.tree.flatten(list(compiled.values())))]
    names = {item.__name__: item for item in own if item.__module__.partition(".")[0] not in ("keras", "atrous", "builtins")}
    with keras.saving.custom_object_scope(names):
        yield


def _function_or_class(value: Any) -> Any:
    return value if isinstance(value, (types.FunctionType, type)) else type(value)


def _pairs(model: Model, copy: Model) -> list[tuple[Layer, Layer]]:
    """Each layer with its copy; checks that they are alike."""
    pairs = list(zip(every_layer(model), every_layer(copy), strict=False))
    for layer, twin in pairs:
        if type(twin) is not type(layer) and {type(twin), type(layer)} not in TWINS:
            raise CannotCopyError(layer, f"the copy is of class {type(twin).__name__}")
        if [tuple(v.shape) for v in twin.variables] != [tuple(v.shape) for v in layer.variables]:
            raise CannotCopyError(layer, "the copy has other variables: some are shared, or made, where Keras doesn't see it")
    if len(every_layer(model)) != len(every_layer(copy)):
        raise CannotCopyError(model, "the copy has other layers: some are shared, or made, where Keras doesn't see it")
    return pairs


def _copy_state(layer: Layer, copy: Layer) -> None:
    """What isn't a variable, or is made from variables when they are loaded."""
    if type(copy) is not type(layer):  # made by the constructor of a custom layer, which knows nothing of ours
        become(copy, type(layer))
        copy.padding, copy.dilation_rate = layer.padding, layer.dilation_rate
    copy.name = layer.name
    copy._trainable = layer._trainable  # the public setter would set all layers inside, too
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    copy.load_own_variables({key: _detached(value) for key, value in store.items()})
    if hasattr(layer, "save_assets"):  # such as the vocabulary that a layer adapted to
        with tempfile.TemporaryDirectory() as folder:
            layer.save_assets(folder)
            copy.load_assets(folder)


def _copy_values(variables: Sequence[Any], copies: Sequence[Any]) -> None:
    for variable, twin in zip(variables, copies, strict=True):
        twin.assign(_detached(variable))
        twin.trainable = variable.trainable


def _copy_optimizer(model: Layer, copy: Layer) -> None:
    """What the optimizer of a compiled model remembers."""
    ours, theirs = getattr(model, "optimizer", None), getattr(copy, "optimizer", None)
    if ours is not None and theirs is not None:
        count = len(ours.variables) if ours.built else min(len(ours.variables), len(theirs.variables))
        _copy_values(ours.variables[:count], theirs.variables[:count])


def _detached(value: Any) -> Any:
    """A tensor with memory of its own: JAX would share it, and lose it in both models when one of them trains."""
    return keras.ops.copy(value) if isinstance(value, keras.Variable) or keras.ops.is_tensor(value) else value


def _first_sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".") or type(error).__name__
