"""Convolution in PyTorch: `torch.nn.functional`, with the paddings it lacks added in front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F  # noqa: N812  (the name every PyTorch user knows)

from atrous.spec import ConvSpec, Pads

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def conv(x: Any, kernel: Any, spec: ConvSpec, data_format: str) -> Any:
    """See `atrous.ops.conv`."""
    x = _channels_first(x, data_format)
    pads = tuple(pair for pair in spec.pads(x.shape[2:]) if pair is not None)
    symmetric = all(before == after for before, after in pads)
    y = CONV[spec.rank](
        x if symmetric else _pad(x, pads),
        _weights(kernel),
        stride=spec.strides,
        padding=tuple(before for before, _ in pads) if symmetric else 0,
        dilation=spec.dilation_rate,
        groups=spec.groups,
    )
    return _restore(y, data_format)


def conv_transpose(x: Any, kernel: Any, spec: ConvSpec, output_padding: Sequence[int] | None, data_format: str) -> Any:
    """See `atrous.ops.conv_transpose`."""
    x = _channels_first(x, data_format)
    full = CONV_TRANSPOSE[spec.rank](x, _weights(kernel), stride=spec.strides, dilation=spec.dilation_rate)
    axes = spec.transposed(output_padding)
    # The full result has length (n−1)·stride + span; what is cut in front and behind has no other name in PyTorch.
    pads = tuple(
        (-axis.before, axis.stride + axis.growth + axis.before - span)
        for axis, span in zip(axes, spec.effective_kernel_size, strict=True)
    )
    return _restore(_pad(full, pads), data_format)


def _pad(x: Any, pads: Pads) -> Any:
    """Adds zeros, or cuts where a pad is negative, along the spatial axes of (batch, channels, *space)."""
    return F.pad(x, [side for pair in reversed(pads) for side in pair])


def _weights(kernel: Any) -> Any:
    """(*size, in, out) → (out, in, *size), copied: some of PyTorch's kernel gradients refuse a permuted view."""
    return kernel.permute(-1, -2, *range(kernel.ndim - 2)).contiguous()


def _channels_first(x: Any, data_format: str) -> Any:
    return x if data_format == "channels_first" else x.movedim(-1, 1)


def _restore(y: Any, data_format: str) -> Any:
    return y if data_format == "channels_first" else y.movedim(1, -1)
