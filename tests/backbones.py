"""Backbones as people have them, weights that show every mistake, and how a dilated copy is compared with the original."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import oracle

Size = tuple[int | None, ...]


def application(name: str, **options: Any) -> Callable[[Size], Any]:
    """A model of `keras.applications` without its head, by its input size."""

    def make(size: Size) -> Any:
        return getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(*size, 3), **options)

    return make


def without_values() -> Any:
    """Models made in this context have weights of the right shapes that are never drawn: large ones are made in a moment."""
    return keras.StatelessScope(initialize_variables=False)


def randomized(model: Any, seed: int = 0) -> Any:
    """Random weights that keep signals alive, and random statistics: no channel is like another, none is centred."""
    generator = np.random.default_rng(seed)
    for layer in model._flatten_layers(recursive=True):
        if isinstance(layer, keras.layers.Normalization):
            continue  # its statistics belong to the pixels
        own = [v for v in layer._trainable_variables + layer._non_trainable_variables if v.dtype != "uint32"]
        is_norm = isinstance(layer, (keras.layers.BatchNormalization, keras.layers.LayerNormalization))
        for variable in own:
            shape = variable.shape
            if len(shape) > 1:
                value = generator.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
            elif is_norm and variable.name in ("gamma", "moving_variance"):
                value = generator.uniform(0.5, 1.5, shape)
            else:
                value = generator.normal(0.1, 0.2, shape)
            variable.assign(value)
    return model


def image(size: tuple[int, ...], dtype: str = "float32", seed: int = 1) -> np.ndarray:
    """Noise: no position is like its neighbour."""
    return np.random.default_rng(seed).uniform(-1, 1, (1, *size, 3)).astype(dtype)


def output(model: Any, x: Any) -> np.ndarray:
    result = model(x, training=False)
    return np.asarray(keras.ops.convert_to_numpy(result))


def depth(model: Any) -> int:
    """How many layers sum: each rounds."""
    return sum(any(len(w.shape) > 1 for w in layer._trainable_variables) for layer in model._flatten_layers())


def error(actual: np.ndarray, expected: np.ndarray, layers: int, dtype: str = "float32") -> float:
    """Largest difference, in units of what the tolerance rule allows to every layer that sums."""
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    assert np.isfinite(expected).all()
    assert (expected != 0).mean() > 0.1
    allowed = oracle.TOLERANCE * oracle.EPSILON[dtype] * layers * np.abs(expected).max()
    return float(np.abs(actual - expected).max() / allowed)
