"""The ratios as a picture that can be printed in black and white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.claims import DEFAULT
from benchmarks.measure import Run, peers_of

SHORT = {
    "keras_tensorflow": "Keras",
    "tensorflow": "tf.nn",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "jax": "JAX",
}
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def draw(runs: Sequence[Run], ours: str, path: Path) -> None:
    """Draws one panel a direction: a bar for Keras's default and one for the fastest of the others, for every case."""
    directions = list(dict.fromkeys(run.direction for run in runs))
    count = max(sum(run.direction == direction for run in runs) for direction in directions)
    figure, axes = plt.subplots(
        1, len(directions), figsize=(7.5 * len(directions), 1.9 + 0.36 * count), squeeze=False, layout="constrained"
    )
    for panel, direction in zip(axes[0], directions, strict=True):
        _panel(panel, [run for run in runs if run.direction == direction], direction, ours)
    cores = len(runs[0].cores)
    figure.suptitle(f"Time over that of {ours}, {cores} core{'s' * (cores > 1)}: right of the line, {ours} is faster")
    figure.legend(
        handles=[
            Patch(facecolor="0.25", edgecolor="black", label="Keras on TensorFlow, default"),
            Patch(facecolor="white", edgecolor="black", hatch="//", label="the fastest of the others, by name"),
        ],
        loc="outside lower center",
        ncols=2,
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axes: Axes, runs: Sequence[Run], direction: str, ours: str) -> None:
    others = [peer for peer in peers_of(runs) if peer != DEFAULT]
    for row, run in enumerate(runs):
        best = run.fastest(others)
        _bar(axes, row - 0.2, run.ratio(DEFAULT, ours), "0.25", "")
        _bar(axes, row + 0.2, run.ratio(best, ours) if best else None, "white", SHORT.get(best or "", best or ""))
    axes.axvline(1, color="black", linewidth=1.2)
    axes.set_yticks(range(len(runs)), [run.case.name for run in runs])
    axes.set_ylim(len(runs) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.8), max(high, 2) * 1.5)  # room for the numbers
    axes.grid(axis="x", color="0.85")
    axes.set_axisbelow(True)
    axes.set_title(direction)


def _bar(axes: Axes, y: float, ratio: float | None, color: str, name: str) -> None:
    if not ratio:
        return
    axes.barh(y, ratio - 1, left=1, height=0.38, color=color, edgecolor="black", hatch="//" if name else None, linewidth=0.8)
    axes.text(max(ratio, 1) * 1.02, y, f"{ratio:.2f} {name}".strip(), va="center", fontsize=7.5)
