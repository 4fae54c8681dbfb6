"""PyTorch in eager mode with oneDNN: contiguous (channels first) and channels_last, whichever is faster."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from benchmarks.peers.peer import Peer, Variants, channels_first, filters_first, over_two_axes, two
from benchmarks.suite import Case

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0)))))


class Torch(Peer):
    version = f"torch {torch.__version__}"

    def forward(self, case: Case) -> Variants:
        return {name: _forward(*variant) for name, variant in _variants(case).items()}

    def training(self, case: Case) -> Variants:
        return {name: _training(*variant) for name, variant in _variants(case).items()}

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        if not isinstance(result, tuple):
            return (_last(result).reshape(case.output),)
        dx, dw = result
        return _last(dx).reshape(case.shape), np.moveaxis(dw.numpy(), (0, 1), (-1, -2)).reshape(case.weights)


Variant = tuple[Callable[[Any, Any], Any], Any, Any]


def _variants(case: Case) -> dict[str, Variant]:
    x, w = case.data()
    wide_x, wide_w = over_two_axes(case)
    contiguous = [torch.from_numpy(a) for a in (channels_first(x), filters_first(w))]
    last = [torch.from_numpy(a).to(memory_format=torch.channels_last) for a in (channels_first(wide_x), filters_first(wide_w))]
    axes = (case.strides, case.rates, case.pads)
    square = (two(case, case.strides, 1), two(case, case.rates, 1), two(case, case.pads, (0, 0)))
    return {"contiguous": (_conv(case, *axes), *contiguous), "channels_last": (_conv(case, *square), *last)}


def _conv(case: Case, strides: Any, rates: Any, pads: Any) -> Callable[[Any, Any], Any]:
    rank = len(strides)
    if case.transposed:
        transposed, before = (F.conv_transpose1d, F.conv_transpose2d)[rank - 1], [pair[0] for pair in pads]
        # PyTorch crops both ends alike; what is left over at the end is cut off.
        cut = (..., *(slice(n) for n in case.wide))
        return lambda x, w: transposed(x, w, None, strides, before, dilation=rates)[cut]
    conv = (F.conv1d, F.conv2d)[rank - 1]
    if all(before == after for before, after in pads):
        both = [pair[0] for pair in pads]
        return lambda x, w: conv(x, w, None, strides, both, rates, case.groups)
    flat = [side for pair in reversed(pads) for side in pair]
    return lambda x, w: conv(F.pad(x, flat), w, None, strides, 0, rates, case.groups)


def _forward(conv: Callable[[Any, Any], Any], x: Any, w: Any) -> Callable[[], Any]:
    def call() -> Any:
        with torch.inference_mode():
            return conv(x, w)

    return call


def _training(conv: Callable[[Any, Any], Any], x: Any, w: Any) -> Callable[[], Any]:
    x.requires_grad_()
    w.requires_grad_()

    def call() -> Any:
        y = conv(x, w)
        return torch.autograd.grad((y * y).sum(), (x, w))

    return call


def _last(t: Any) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(t.numpy(), 1, -1))


peer = Torch
