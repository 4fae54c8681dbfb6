"""Streaming beside its peers, on one core: `taskset -c 1 python -m benchmarks.streaming`, in the environment of `make bench`.

Peers: the same step of Keras operations, PyTorch with a queue in front of every dilated convolution, and ONNX Runtime on the
exported step. All take turns in one process, and each result is compared with the model's own before its time counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.worker import _environment

os.environ.update({name: value for name, value in _environment(1).items() if name != "PYTHONPATH"})

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import atrous
from atrous import streaming
from atrous.field.cost import macs
from atrous.field.graph import graph_of
from atrous.ops import native
from atrous.streaming.generation import generate_blocks
from benchmarks.pairs import medians
from benchmarks.streams import networks

Step = Callable[[np.ndarray], np.ndarray]
BLOCKS = (1, 4, 16, 64, 256, 1024, 4096)
"""Of the curve."""


def signal(model: keras.Model, batch: int, samples: int) -> np.ndarray:
    """What the model takes: codes or samples."""
    rng, shape = np.random.default_rng(1), model.inputs[0].shape
    if "int" in model.inputs[0].dtype:
        return rng.integers(0, 256, (batch, samples), dtype="int32")
    return rng.uniform(-1, 1, (batch, samples, shape[-1])).astype("float32")


def steppers(model: keras.Model, batch: int, block: int, peers: list[str]) -> dict[str, Step]:
    """Everybody's step: a block in, a block out; each begins with an empty history."""
    makers: dict[str, Callable[[], Step]] = {
        "atrous native": lambda: streaming.stream(model, batch, engine="native").step,
        "Keras step": lambda: streaming.stream(model, batch, engine="functional").step,
        "PyTorch": lambda: pytorch(model, batch),
        "ONNX Runtime": lambda: onnx(model, batch, block),
    }
    return {name: make() for name, make in makers.items() if name in peers}


def pytorch(model: keras.Model, batch: int) -> Step:
    from benchmarks.streams import torch

    network = {"wavenet": torch.WaveNet, "amplifier": torch.Amplifier}[model.name]
    return torch.stepper(network(model, batch).eval())


def onnx(model: keras.Model, batch: int, block: int) -> Step:
    """The exported step; its states go from outputs back to inputs."""
    import onnxruntime

    step = streaming.step_model(model, block, batch)
    with tempfile.TemporaryDirectory() as folder:
        path = atrous.export(step, Path(folder) / "step.onnx", format="onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    made = [each.name for each in session.get_outputs()]
    (output,) = (name for name in made if not name.startswith("next_"))
    state = {name: x for name, x in streaming.stream(model, batch, engine="functional").state.items() if f"next_{name}" in made}

    def call(x: np.ndarray) -> np.ndarray:
        new = dict(zip(made, session.run(made, {"inputs": x, **state}), strict=True))
        state.update((name, new[f"next_{name}"]) for name in state)
        return new[output]

    return call


def check(model: keras.Model, steps: dict[str, Step], batch: int, block: int) -> None:
    """Two blocks of every stepper are those of the model."""
    x = signal(model, batch, 2 * block)
    right = keras.ops.convert_to_numpy(model(x))
    for name, step in steps.items():
        mine = np.concatenate([step(x[:, :block]), step(x[:, block:])], axis=1)
        error = np.abs(mine - right).max() / np.abs(right).max()
        if not error < 1e-4:
            raise SystemExit(f"{name} is wrong: off by {error:.1e} of the largest output")


def compare(
    title: str, model: keras.Model, batch: int, block: int, rate: int, peers: list[str], seconds: float
) -> dict[str, Any]:
    """Times of one step of everybody."""
    steps = steppers(model, batch, block, peers)
    check(model, steps, batch, block)
    x = signal(model, batch, block)
    times = medians({name: lambda step=step: step(x) for name, step in steps.items()}, seconds)
    work = multiply_adds(model) * batch * block
    peak = native.core().peak()
    table = Table(title=f"{title}; FMA peak {2e-9 * peak:.0f} GFLOP/s")
    for column in ("", "µs a step", "samples/s", "× real time", "of the peak", "× native"):
        table.add_column(column, justify="right" if column else "left")
    result = {}
    for name, step_seconds in times.items():
        speed = batch * block / step_seconds
        row = {"seconds": step_seconds, "samples_per_second": speed, "real_time": speed / batch / rate}
        row["of_peak"] = work / step_seconds / peak
        result[name] = row
        table.add_row(
            name,
            f"{1e6 * step_seconds:.1f}",
            f"{speed:,.0f}",
            f"{row['real_time']:.2f}",
            f"{row['of_peak']:.1%}",
            f"{step_seconds / times['atrous native']:.2f}",
        )
    console().print(table)
    return result


def multiply_adds(model: keras.Model) -> float:
    """Of one sample."""
    length = 1024
    graph = graph_of(model, (length, *model.inputs[0].shape[2:]))
    return sum(found.dense for use in graph.uses if (found := macs(use))) / length


def latency(model: keras.Model, block: int, rate: int, seconds: float) -> dict[str, float]:
    """Times of single blocks, each from a cold start of the clock, over so many seconds of signal."""
    step = streaming.stream(model, engine="native").step
    x = signal(model, 1, block)
    step(x)
    times = []
    for _ in range(round(seconds * rate / block)):
        start = time.perf_counter()
        step(x)
        times.append(time.perf_counter() - start)
    p50, p99 = np.percentile(times, [50, 99])
    budget = block / rate
    console().print(
        f"{len(times):,} blocks of {block} ({seconds:g} s of signal): p50 {1e6 * p50:.1f} µs, p99 {1e6 * p99:.1f} µs, max "
        f"{1e6 * max(times):.1f} µs of the {1e6 * budget:.0f} µs that a block lasts; {budget / p50:.1f}× real time by p50"
    )
    return {"p50": float(p50), "p99": float(p99), "max": max(times), "budget": budget}


def generation(model: keras.Model, rate: int, samples: int = 16000, rounds: int = 5) -> dict[str, float]:
    """Samples that are drawn and heard again, without a return to Python between them; making the stream is timed by itself."""
    making, drawing = [], []
    for seed in range(rounds + 1):
        start = time.perf_counter()
        _, blocks = generate_blocks(model, samples, seed=seed, engine="native")
        made = time.perf_counter()
        assert sum(block.shape[1] for block in blocks) == samples
        making.append(made - start)
        drawing.append(time.perf_counter() - made)
    seconds, before = float(np.median(drawing[1:])), float(np.median(making[1:]))  # the first call loads what it needs
    console().print(
        f"generate, {samples:,} samples: {samples / seconds:,.0f} samples/s, {samples / seconds / rate:.2f}× real time at "
        f"{rate:,} Hz, after {1e3 * before:.0f} ms for making the stream"
    )
    return {"samples_per_second": samples / seconds, "making": before}


def curve(seconds: float, plot: Path | None) -> dict[str, Any]:
    """Throughput of a TCN by block size, beside the model on a whole signal."""
    model = networks.with_random_biases(networks.tcn())
    whole = signal(model, 1, 16384)
    offline = model.predict_on_batch
    steps = {f"native {block}": streaming.stream(model, engine="native").step for block in BLOCKS}
    steps |= {f"Keras step {block}": streaming.stream(model, engine="functional").step for block in BLOCKS}
    blocks = {name: whole[:, : int(name.split()[-1])] for name in steps}
    calls = {name: lambda step=step, x=blocks[name]: step(x) for name, step in steps.items()}
    calls["offline"] = lambda: offline(whole)
    times = medians(calls, seconds, rounds=5)
    speeds = {name: (int(name.split()[-1]) if name[-1].isdigit() else whole.shape[1]) / t for name, t in times.items()}
    table = Table(
        title=f"TCN, 10 levels of 64 channels: samples/s; offline on {whole.shape[1]} samples {speeds['offline']:,.0f}"
    )
    for column in ("block", "native", "× offline", "Keras step", "× offline"):
        table.add_column(column, justify="right")
    for block in BLOCKS:
        a, b = speeds[f"native {block}"], speeds[f"Keras step {block}"]
        table.add_row(f"{block}", f"{a:,.0f}", f"{a / speeds['offline']:.2f}", f"{b:,.0f}", f"{b / speeds['offline']:.2f}")
    console().print(table)
    if plot:
        draw(speeds, plot)
    return speeds


def draw(speeds: dict[str, float], path: Path) -> None:
    """The curve as a picture."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name in ("native", "Keras step"):
        axes.loglog(BLOCKS, [speeds[f"{name} {block}"] for block in BLOCKS], marker="o", label=f"{name}, streamed")
    axes.axhline(speeds["offline"], color="0.4", linestyle="--", label="the model on a whole signal (predict_on_batch)")
    axes.set(xlabel="samples a block", ylabel="samples a second", title="TCN of 10 levels, 64 channels, one core")
    axes.set_xticks(BLOCKS, [f"{block:,}" for block in BLOCKS])
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def console() -> Console:
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["wavenet", "wavenet8", "generate", "amplifier", "latency", "tcn"])
    parser.add_argument("--peers", nargs="+", default=["Keras step", "PyTorch", "ONNX Runtime"])
    parser.add_argument("--seconds", type=float, default=2.0, help="aimed at for each peer and case")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    peers = ["atrous native", *options.peers]
    found: dict[str, Any] = {}
    wavenet, amplifier = (networks.with_random_biases(make()) for make in (networks.wavenet, networks.amplifier))
    for case in options.cases:
        if case == "wavenet":
            title = "WaveNet, 24 layers, a sample at a time, 16 kHz"
            found[case] = compare(title, wavenet, 1, 1, 16000, peers, options.seconds)
        elif case == "wavenet8":
            title = "The same, a batch of 8; samples/s in sum"
            found[case] = compare(title, wavenet, 8, 1, 16000, peers, options.seconds)
        elif case == "generate":
            found[case] = generation(wavenet, 16000)
        elif case == "amplifier":
            title = "Neural Amp Modeler A1 standard, blocks of 64, 48 kHz"
            found[case] = compare(title, amplifier, 1, 64, 48000, peers, options.seconds)
        elif case == "latency":
            found[case] = latency(amplifier, 64, 48000, 60)
        elif case == "tcn":
            found[case] = curve(options.seconds, options.plot)
        else:
            sys.exit(f"`--cases` must be of wavenet, wavenet8, generate, amplifier, latency, tcn. Received: {case}.")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
