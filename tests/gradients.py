"""Values and gradients on whichever backend runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np


def value_and_gradients(
    function: Callable[..., Any], arguments: Sequence[np.ndarray], upstream: Callable[[Any], np.ndarray]
) -> Any:
    """`function(*arguments)` and, for each argument, the gradient of Σ upstream · result; all as NumPy.

    `upstream` makes the gradient of the result from its shape.
    """
    run = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.config.backend()]
    result, gradients = run(function, [keras.ops.convert_to_tensor(a) for a in arguments], upstream)
    to_numpy = keras.ops.convert_to_numpy
    return to_numpy(result), [to_numpy(gradient) for gradient in gradients]


def _tensorflow(function: Any, arguments: Any, upstream: Any) -> Any:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(arguments)
        result = function(*arguments)
    return result, tape.gradient(result, arguments, tf.cast(upstream(result.shape), result.dtype), unconnected_gradients="zero")


def _jax(function: Any, arguments: Any, upstream: Any) -> Any:
    import jax

    result, pull = jax.vjp(function, *arguments)
    return result, pull(jax.numpy.asarray(upstream(result.shape), result.dtype))


def _torch(function: Any, arguments: Any, upstream: Any) -> Any:
    import torch

    arguments = [a.detach().requires_grad_() for a in arguments]
    result = function(*arguments)
    gradients = torch.autograd.grad(
        result, arguments, torch.as_tensor(upstream(result.shape)).to(result.dtype), allow_unused=True
    )
    return result.detach(), [torch.zeros_like(a) if g is None else g for g, a in zip(gradients, arguments, strict=True)]
