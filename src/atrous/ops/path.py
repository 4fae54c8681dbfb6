"""Which path a convolution takes: the native core, or the framework's own operations. Decided here and nowhere else.

The operations ask before they compute, and `atrous.explain` asks what they would be told. No framework is imported.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from atrous.ops import native
from atrous.spec import ConvSpec

Tracing = Literal["jit", "export"] | None
"""What a graph is being built for, where that matters: XLA, or a file that is to run without atrous."""

LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Path:
    """The path, and the reason in a few words for users.

    Args:
        native: Whether the native core computes.
        why: What decided it.
    """

    native: bool
    why: str


NATIVE = Path(True, "float32 on a CPU")


def choose(
    spec: ConvSpec, dtype: str = "float32", device: str = "CPU", tracing: Tracing = None, obstacle: str | None = None
) -> Path:
    """Decides.

    Args:
        spec: Geometry of the convolution, or of the one that a transposed convolution belongs to.
        dtype: Type of the data and weights.
        device: Kind of the device that computes: "CPU", "GPU", …
        tracing: What a graph is being built for.
        obstacle: What the framework says against its native operations, in one sentence.
    """
    why = native.why_not() or obstacle or _unsuited(spec, dtype, device, tracing)
    return NATIVE if why is None else Path(False, why)


@functools.lru_cache(maxsize=1024)
def _unsuited(spec: ConvSpec, dtype: str, device: str, tracing: Tracing) -> str | None:
    if dtype != "float32":
        return f"the native core computes in float32, not in {dtype}"
    if device != "CPU":
        return f"the native core computes on a CPU, not on a {device}"
    if tracing == "jit":
        return "jit_compile=True: XLA compiles the framework's own operations only"
    if tracing == "export":
        return "exported models hold the framework's own operations only"
    sizes = (*spec.kernel_size, *spec.effective_kernel_size, *spec.strides, spec.groups)
    pads = () if isinstance(spec.padding, str) else spec.padding
    if any(abs(number) > LARGEST for number in (*sizes, *(side for pair in pads for side in pair))):
        return "the native core counts to 2^31"
    return None
