"""What does a call cost when there is next to nothing to compute?

    python -m benchmarks.eager_overhead

A 4×4 image of 3 channels, eagerly: our operation beside `tf.nn`'s, our layer beside Keras's, taking turns on one core. Claimed:
the operation at most half of `tf.nn.conv2d`'s, the layer at most the stock layer's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from benchmarks.pairs import medians
from benchmarks.report import console
from benchmarks.worker import cores_of, pin

Pair = tuple[Callable[[], Any], Callable[[], Any], float]
"""Ours, theirs, and the share of their time that is claimed."""


def main(
    core: Annotated[int | None, typer.Option(help="The core; the last by default.")] = None,
    seconds: Annotated[float, typer.Option(help="Aimed at for each call.")] = 1.0,
) -> None:
    """Prints microseconds a call."""
    pin(cores_of(core))
    table = Table("eager call", "ours, µs", "theirs, µs", "ours / theirs", "claimed, at most", "holds")
    for name, (ours, theirs, most) in _pairs().items():
        times = medians({"ours": ours, "theirs": theirs}, seconds)
        ratio = times["ours"] / times["theirs"]
        numbers = (f"{1e6 * times['ours']:.1f}", f"{1e6 * times['theirs']:.1f}", f"{ratio:.2f}", f"{most:.2f}")
        table.add_row(name, *numbers, "yes" if ratio <= most else "[red]NO[/]")
    console().print(table)


def _pairs() -> dict[str, Pair]:
    import keras
    import tensorflow as tf

    from atrous import layers, ops
    from atrous.spec import ConvSpec

    random = np.random.default_rng(0)

    def tensor(*shape: int) -> Any:
        return tf.constant(random.standard_normal(shape, np.float32))

    image, signal, kernel, taps = tensor(1, 4, 4, 3), tensor(1, 16, 3), tensor(3, 3, 3, 8), tensor(3, 3, 8)
    dilated, plain = ConvSpec.parse(2, 3, 1, 2, "same"), ConvSpec.parse(2, 3, 1, 1, "same")
    causal = ConvSpec.parse(1, 3, 1, 2, "causal")
    arguments = {"filters": 8, "kernel_size": 3, "dilation_rate": 2}
    square, stock_square = (module.Conv2D(**arguments, padding="same") for module in (layers, keras.layers))
    time, stock_time = (module.Conv1D(**arguments, padding="causal") for module in (layers, keras.layers))
    return {
        "op, rate 2": (
            lambda: ops.conv(image, kernel, dilated),
            lambda: tf.nn.conv2d(image, kernel, 1, "SAME", dilations=2),
            0.5,
        ),
        "op, rate 1": (lambda: ops.conv(image, kernel, plain), lambda: tf.nn.conv2d(image, kernel, 1, "SAME"), 0.5),
        "op over time, causal": (
            lambda: ops.conv(signal, taps, causal),
            lambda: tf.nn.conv1d(tf.pad(signal, [[0, 0], [4, 0], [0, 0]]), taps, 1, "VALID", dilations=2),
            0.5,
        ),
        "Conv2D layer, rate 2": (lambda: square(image), lambda: stock_square(image), 1.0),
        "Conv1D layer, causal": (lambda: time(signal), lambda: stock_time(signal), 1.0),
    }


if __name__ == "__main__":
    typer.run(main)
