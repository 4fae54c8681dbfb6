"""JAX: `lax.conv_general_dilated`, channels last, compiled by XLA."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.peers.peer import Peer, Variants
from benchmarks.suite import Case

LAYOUTS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}


class Jax(Peer):
    version = f"jax {jax.__version__}"

    def forward(self, case: Case) -> Variants:
        return _compiled(case, lambda x, w: _conv(case, x, w))

    def training(self, case: Case) -> Variants:
        return _compiled(case, jax.grad(lambda x, w: jnp.sum(jnp.square(_conv(case, x, w))), (0, 1)))

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        return tuple(np.asarray(a) for a in jax.tree.leaves(result))


def _compiled(case: Case, function: Any) -> Variants:
    x, w = (jnp.asarray(a) for a in case.data())
    compiled = jax.jit(function)
    return {"": lambda: jax.block_until_ready(compiled(x, w))}


def _conv(case: Case, x: Any, w: Any) -> Any:
    layout = LAYOUTS[case.rank]
    if case.transposed:
        spans = [(k - 1) * case.rate + 1 for k in case.kernel]
        pads = [(span - 1 - a, span - 1 - b) for span, (a, b) in zip(spans, case.pads, strict=True)]
        return lax.conv_transpose(
            x, w, case.strides, pads, rhs_dilation=case.rates, dimension_numbers=layout, transpose_kernel=True
        )
    return lax.conv_general_dilated(
        x, w, case.strides, case.pads, rhs_dilation=case.rates, dimension_numbers=layout, feature_group_count=case.groups
    )


peer = Jax
