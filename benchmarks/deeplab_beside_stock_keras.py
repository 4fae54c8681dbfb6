"""How fast is DeepLabv3+ beside the same model of stock Keras layers, and how much memory does it take?

    chrt -f 20 python -m benchmarks.deeplab_beside_stock_keras [--backbone resnet_14_small]

At 513×513 pixels and output stride 8, with weights that are the same: `atrous.to_keras` makes the stock model. Each model is a
process of its own, so that its peak memory is the process's (TensorFlow, weights and all); they take turns on one core, by
`predict_on_batch` and `train_on_batch`, as `predict` and `fit` do. `jit_compile` is Keras's default, "auto", which means no
XLA on a machine without a GPU. "Apart by" compares the logits, or the loss, of the first turn. Recorded in docs/models.md.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from benchmarks.report import console
from benchmarks.worker import cores_of, pin

KINDS = ("stock", "atrous")
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "ATROUS_NUM_THREADS")
MEBIBYTE = 2**20
CLASSES = 21


def main(
    backbone: Annotated[str, typer.Option(help="A built-in backbone.")] = "resnet_50",
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 513,
    output_stride: Annotated[int, typer.Option(help="8 or 16.")] = 8,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 1,
    repeats: Annotated[int, typer.Option(help="Turns of each model, behind one that isn't counted.")] = 3,
    core: Annotated[int | None, typer.Option(help="The core; the last by default.")] = None,
) -> None:
    """Prints seconds, peak memory and ratios, and ends with status 1 where ours is slower."""
    os.environ.update(dict.fromkeys(THREADS, "1"), TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    pin(cores_of(core, every=False))
    table = Table("what", "stock, s", "atrous, s", "times as fast", "stock, MiB", "atrous, MiB", "of the memory", "apart by")
    faster = True
    for what in ("inference", "training step"):
        seconds, peaks, apart = _measure(what, (backbone, size, output_stride, batch_size), repeats)
        ratio, share = seconds["stock"] / seconds["atrous"], peaks["atrous"] / peaks["stock"]
        faster &= ratio >= 1
        times = (f"{seconds[kind]:.3f}" for kind in KINDS)
        memory = (f"{peaks[kind] / MEBIBYTE:.0f}" for kind in KINDS)
        table.add_row(what, *times, f"{ratio:.2f}", *memory, f"{share:.0%}", f"{apart:.1e}")
    console().print(f"DeepLabv3+ on {backbone}, {batch_size}×{size}×{size}×3, output stride {output_stride}, one core", table)
    raise typer.Exit(not faster)


def _measure(what: str, case: tuple[Any, ...], repeats: int) -> tuple[dict[str, float], dict[str, int], float]:
    """Median seconds and peak bytes of each kind, and how far the first results lie apart, of the largest."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for kind in KINDS:
        pipes[kind], theirs = context.Pipe()
        context.Process(target=_work, args=(theirs, kind, what, *case), daemon=True).start()
        pipes[kind].recv()  # one after the other gets ready
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    results = {}
    for turn in range(1 + repeats):
        for kind in KINDS:
            pipes[kind].send("run")
            took, result = pipes[kind].recv()
            if turn:
                seconds[kind].append(took)
            else:
                results[kind] = result
    peaks = {}
    for kind in KINDS:
        pipes[kind].send("stop")
        peaks[kind] = pipes[kind].recv()
    for kind in KINDS:
        print(f"{what}, {kind}: {' '.join(f'{each:.3f}' for each in seconds[kind])} s", flush=True)
    apart = float(np.abs(results["stock"] - results["atrous"]).max() / np.abs(results["stock"]).max())
    return {kind: median(each) for kind, each in seconds.items()}, peaks, apart


def _work(pipe: Connection, kind: str, what: str, *case: Any) -> None:
    """The process of one model: it waits for orders, asleep."""
    call = _call(kind, what, *case)
    gc.collect()  # of the stock model, the one that it was made from
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark is now what is there
    pipe.send("ready")
    while pipe.recv() == "run":
        start = time.perf_counter()
        result = call()
        pipe.send((time.perf_counter() - start, np.asarray(result)))
    pipe.send(_high_water())


def _call(kind: str, what: str, backbone: str, size: int, output_stride: int, batch_size: int) -> Callable[[], Any]:
    import keras

    import atrous

    keras.utils.set_random_seed(0)
    model = atrous.models.DeepLabV3Plus(backbone, CLASSES, (size, size, 3), output_stride, dropout=0.0)
    if kind == "stock":
        model = atrous.to_keras(model)
        assert not any(type(layer).__module__.startswith("atrous") for layer in model._flatten_layers())
    draw = np.random.default_rng(0)
    x = draw.normal(size=(batch_size, size, size, 3)).astype("float32")
    y = draw.integers(0, CLASSES, (batch_size, size, size))
    if what == "inference":
        return lambda: model.predict_on_batch(x)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss)
    return lambda: model.train_on_batch(x, y)


def _high_water() -> int:
    """Most bytes that the process had in memory."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    typer.run(main)
