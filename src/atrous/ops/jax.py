"""Convolution in JAX: `lax.conv_general_dilated` knows every case and differentiates all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from atrous.spec import ConvSpec

SPACE = "DHW"


def conv(x: Any, kernel: Any, spec: ConvSpec, data_format: str) -> Any:
    """See `atrous.ops.conv`."""
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=spec.strides,
        # By its name it is found for lengths that are symbols, too.
        padding="SAME" if spec.padding == "same" else spec.pads(_space(x, data_format)),
        rhs_dilation=spec.dilation_rate,
        dimension_numbers=_dimensions(spec.rank, data_format),
        feature_group_count=spec.groups,
    )


def conv_transpose(x: Any, kernel: Any, spec: ConvSpec, output_padding: Sequence[int] | None, data_format: str) -> Any:
    """See `atrous.ops.conv_transpose`."""
    flipped = jnp.flip(kernel, axis=tuple(range(spec.rank)))
    pads = []
    for axis, span in zip(spec.transposed(output_padding), spec.effective_kernel_size, strict=True):
        front = span - 1 - axis.before
        pads.append((front, axis.stride + axis.growth + axis.before - 1))
    return lax.conv_general_dilated(
        x,
        jnp.swapaxes(flipped, -1, -2),
        window_strides=(1,) * spec.rank,
        padding=pads,
        lhs_dilation=spec.strides,
        rhs_dilation=spec.dilation_rate,
        dimension_numbers=_dimensions(spec.rank, data_format),
    )


def _space(x: Any, data_format: str) -> tuple[int, ...]:
    return tuple(x.shape[1:-1] if data_format == "channels_last" else x.shape[2:])


def _dimensions(rank: int, data_format: str) -> tuple[str, str, str]:
    space = SPACE[-rank:]
    data = f"N{space}C" if data_format == "channels_last" else f"NC{space}"
    return data, f"{space}IO", data
