"""Gradients in float64 on whichever backend Keras runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


@contextmanager
def float64() -> Iterator[None]:
    """Inside, float64 is float64: JAX makes float32 of it where nobody asked."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with enable(True):
        yield


def gradient(function: Callable[[Any], Any], at: np.ndarray) -> np.ndarray:
    """Gradient of a function of one tensor with a scalar value; 0 where the value doesn't depend on it.

    Args:
        function: A tensor in, a scalar tensor out; made of Keras's layers and operations.
        at: Where to take it. Inside `float64()` if that is its dtype.

    Returns:
        Of the shape and dtype of `at`.
    """
    of = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    return np.asarray(of(function, keras.ops.convert_to_tensor(at, str(at.dtype))))


def _tensorflow(function: Callable[[Any], Any], at: Any) -> Any:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return tape.gradient(value, at, unconnected_gradients="zero").numpy()


def _jax(function: Callable[[Any], Any], at: Any) -> Any:
    import jax

    return jax.grad(function)(at)


def _torch(function: Callable[[Any], Any], at: Any) -> Any:
    import torch

    at = at.detach().requires_grad_()
    value = function(at)
    if not value.requires_grad:
        return torch.zeros_like(at).numpy(force=True)
    (found,) = torch.autograd.grad(value, [at], allow_unused=True)
    return (torch.zeros_like(at) if found is None else found).numpy(force=True)
