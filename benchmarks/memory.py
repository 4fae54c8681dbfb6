"""How much memory does a convolution take beyond input, weights and result?

    python -m benchmarks.memory [--cases 'aspp*'] [--threads 2]

Counted twice: the workspace, in bytes, of every plan; and the pages that the process had at most while it ran, by the kernel's
own high-water mark, less those of the result. Claimed: at most the packed weights, whose channels are rounded up to whole
vectors, plus 8 MB.
"""

from __future__ import annotations

import ctypes
import gc
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from benchmarks.report import console
from benchmarks.suite import Case, choose
from benchmarks.worker import cores_of, pin

ALLOWED = 8e6
"""Bytes beyond the packed weights."""
VECTOR = 16
"""Floats of the widest vector."""
MEGABYTE = 1e6


def main(
    cases: Annotated[list[str] | None, typer.Option(help="Names, patterns or tags, as for `python -m benchmarks`.")] = None,
    threads: Annotated[int, typer.Option(help="Threads of the pool.")] = 1,
    core: Annotated[int | None, typer.Option(help="The core, with one thread; the last by default.")] = None,
) -> None:
    """Prints megabytes (10⁶ bytes), and ends with status 1 if one is more than claimed."""
    pin(cores_of(core, every=threads > 1))
    from atrous.ops import native

    native.core().set_threads(threads)
    table = Table("case", "direction", "algorithm", "workspace, MB", "counted, MB", "claimed, at most", "holds")
    kept = True
    for case in choose(cases or ()):
        for direction, plan, call in _calls(case, native.core()):
            counted, most = _extra(call), ALLOWED + _packed(case)
            holds = max(plan["workspace"], counted) <= most
            kept &= holds
            sizes = (f"{size / MEGABYTE:.2f}" for size in (plan["workspace"], counted, most))
            table.add_row(case.name, direction, plan["algorithm"], *sizes, "yes" if holds else "[red]NO[/]")
    console().print(table)
    raise typer.Exit(not kept)


def _calls(case: Case, core: Any) -> list[tuple[str, Any, Callable[[], np.ndarray]]]:
    from benchmarks.peers.atrous_numpy import geometry

    conv, (x, w) = geometry(case), case.data()
    upstream = np.random.default_rng(1).standard_normal(case.output, np.float32)
    wide, narrow = (upstream, x) if case.transposed else (x, upstream)
    operands = {"forward": (wide, w), "input_gradient": (narrow, w), "kernel_gradient": (wide, narrow)}

    def call(direction: str) -> Callable[[], np.ndarray]:
        return lambda: np.asarray(core.run(direction, *operands[direction], None, conv))

    return [(direction, core.plan(direction, conv), call(direction)) for direction in operands]


def _packed(case: Case) -> float:
    """Bytes of the weights with their channels rounded up to whole vectors, on the side where that is less."""
    inner, outer = case.weights[-2:]
    padded = min(inner * _whole(outer), outer * _whole(inner))
    return 4.0 * math.prod(case.kernel) * padded


def _whole(channels: int) -> int:
    return -(-channels // VECTOR) * VECTOR


def _extra(call: Callable[[], np.ndarray]) -> int:
    """Bytes of the pages that a call touched at most, less those of its result."""
    call()  # what is kept from one call to the next
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark is now what is there
    before = _high_water()
    result = call()
    return max(0, _high_water() - before - result.nbytes)


def _high_water() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    typer.run(main)
