"""Up-sampling and resizing of part of a map, by the positions of the whole one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from atrous.field.graph import Use
from atrous.parts.part import CannotCutError, Part, Span, Spans, Tensor, called, is_operation, pieces, spatial_spans, taken

UP_SAMPLINGS = (layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)


def _interpolation(use: Use) -> str:
    return str(getattr(use.layer, "interpolation", "nearest"))


def _repeats(use: Use) -> bool:
    return is_operation(use, "Repeat") or (isinstance(use.layer, UP_SAMPLINGS) and _interpolation(use) == "nearest")


def _repeat(use: Use, parts: Sequence[Part], want: Spans) -> Tensor:
    """Repeats what is needed, then cuts what is too much."""
    times = {link.into[0]: link.map.period for link in use.reads[0].links[0] if len(link.into) == 1}
    spans: dict[int, Span] = {d: (first // times[d], -(-last // times[d])) for d, (first, last) in want.items()}
    y = called(use, [pieces(parts[0], spans, use.call.shape)])
    for d, (first, last) in want.items():
        begin, end = (n * times[d] for n in spans[d])
        y = taken(y, d + 1, first - begin, last - begin, end - begin)
    return y


def _resizes(use: Use) -> bool:
    return isinstance(use.layer, (layers.Resizing, *UP_SAMPLINGS)) or is_operation(use, "Resize")


def _resize(use: Use, parts: Sequence[Part], want: Spans) -> Tensor:
    """Interpolates axis by axis around half-pixel centres; positions past an edge are those of the edge."""
    how = _interpolation(use)
    if how not in ("nearest", "bilinear"):
        raise CannotCutError(use, f"its interpolation is {how!r}; use 'bilinear' or 'nearest'")
    x = parts[0].values
    dtype = getattr(use.layer, "compute_dtype", None) or (x.dtype if "float" in str(x.dtype) else "float32")
    x = ops.cast(x, dtype)
    for d, span in spatial_spans(use, want).items():
        before, after = use.call.shape[d], use.reads[0].shape[d]
        if before != after:
            x = _interpolated(x, d + 1, parts[0].spans.get(d, (0, before)), span, before, after, how)
        else:
            x = pieces(Part(x, {d: parts[0].spans.get(d, (0, before))}), {d: span}, use.call.shape)
    return x


def _interpolated(x: Tensor, axis: int, have: Span, want: Span, before: int, after: int, how: str) -> Tensor:
    centres = (np.arange(*want) + 0.5) * before / after
    if how == "nearest":
        return ops.take(x, _at(np.floor(centres), have, before), axis=axis)
    low = np.floor(centres - 0.5)
    share = (centres - 0.5 - low).reshape([-1 if a == axis else 1 for a in range(len(x.shape))])
    left = ops.take(x, _at(low, have, before), axis=axis)
    right = ops.take(x, _at(low + 1, have, before), axis=axis)
    return left + (right - left) * ops.convert_to_tensor(share, dtype=x.dtype)


def _at(positions: np.ndarray, have: Span, length: int) -> np.ndarray:
    """Where positions of the whole axis lie in what is there."""
    there: np.ndarray = np.clip(positions, 0, length - 1).astype("int32") - have[0]
    np.clip(there, 0, have[1] - have[0] - 1, out=there)  # the right neighbour that counts nothing need not be there
    return there


KINDS: tuple[tuple[Callable[[Use], bool], Callable[[Use, Sequence[Part], Spans], Any]], ...] = (
    (_repeats, _repeat),
    (_resizes, _resize),
)
