"""What does `atrous.accelerate` do for whole networks?

    python -m benchmarks.end_to_end [--cores all]

The dilated classifier, a DeepLab head and a ten-level TCN of plain Keras layers, before and after `accelerate`, taking turns in
one process: inference by `predict_on_batch`, a training step by `train_on_batch`, as `fit` does it. `jit_compile` is Keras's
default, "auto", which means no XLA on a machine without a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich.table import Table

from benchmarks import machine
from benchmarks.pairs import medians
from benchmarks.report import console
from benchmarks.suite import words
from benchmarks.worker import cores_of, pin


class Cores(StrEnum):
    one = "one"
    all = "all"


class Network(NamedTuple):
    """A model of plain Keras layers and a batch: input, and the class of each image, pixel or time step."""

    model: Any
    x: np.ndarray
    y: np.ndarray


def main(
    networks: Annotated[list[str] | None, typer.Option(help="Of classifier, deeplab, tcn; all by default.")] = None,
    cores: Annotated[Cores, typer.Option(help="Pinned to one core, or on all of them.")] = Cores.one,
    core: Annotated[int | None, typer.Option(help="The one core; the last by default.")] = None,
    seconds: Annotated[float, typer.Option(help="Aimed at for each call.")] = 3.0,
    output: Annotated[Path | None, typer.Option(help="Folder for end_to_end.json.")] = None,
) -> None:
    """Prints milliseconds before and after, and how far the results lie apart."""
    pinned = cores_of(core, every=cores == Cores.all)
    idleness = machine.check_idle(pinned)
    pin(pinned)
    print(idleness)
    table = Table("network", "what", "Keras, ms", "accelerated, ms", "times as fast", "results differ by, of the largest")
    kept = []
    for name in words(networks or NETWORKS):
        for what, before, after, difference in _compare(NETWORKS[name](), seconds):
            kept.append({"network": name, "what": what, "before": before, "after": after, "difference": difference})
            table.add_row(name, what, f"{1e3 * before:.2f}", f"{1e3 * after:.2f}", f"{before / after:.2f}", f"{difference:.1e}")
    console().print(table)
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / "end_to_end.json").write_text(
            json.dumps({"cores": pinned, "idleness": str(idleness), "rows": kept}, indent=1)
        )


def _compare(network: Network, seconds: float) -> list[tuple[str, float, float, float]]:
    """Name, seconds before, seconds after and difference, for inference and for training."""
    import atrous

    model, x, y = network
    model.compile("sgd", "sparse_categorical_crossentropy")
    models = {"before": model, "after": atrous.accelerate(model)}
    outputs = {name: each.predict_on_batch(x) for name, each in models.items()}
    losses = {name: np.asarray(each.train_on_batch(x, y)) for name, each in models.items()}
    inference = medians({name: _call(each.predict_on_batch, x) for name, each in models.items()}, seconds)
    training = medians({name: _call(each.train_on_batch, x, y) for name, each in models.items()}, seconds)
    return [
        ("inference", inference["before"], inference["after"], _difference(outputs)),
        ("training step", training["before"], training["after"], _difference(losses)),
    ]


def _call(function: Callable[..., Any], *arguments: np.ndarray) -> Callable[[], Any]:
    return lambda: function(*arguments)


def _difference(results: dict[str, np.ndarray]) -> float:
    before, after = results["before"], results["after"]
    return float(np.abs(before - after).max() / np.abs(before).max())


def classifier() -> Network:
    """The model of `atrous train`, 32 images of 28×28."""
    import atrous

    model = atrous.to_keras(atrous.models.DilatedClassifier((28, 28, 1), classes=10))
    random = np.random.default_rng(0)
    return Network(model, random.uniform(0, 255, (32, 28, 28, 1)).astype("float32"), random.integers(10, size=32))


def deeplab(rates: Sequence[int] = (6, 12, 18)) -> Network:
    """The head of DeepLabv3 (Chen and others 2017) on the 33×33×2048 that a ResNet makes of a 513×513 image; 21 classes."""
    from keras import Input, Model, layers

    inputs = Input((33, 33, 2048))
    branches = [_unit(inputs, 1, 1), *(_unit(inputs, 3, rate) for rate in rates)]
    pooled = _unit(layers.GlobalAveragePooling2D(keepdims=True)(inputs), 1, 1)
    branches.append(layers.UpSampling2D((33, 33))(pooled))
    x = _unit(layers.Concatenate()(branches), 1, 1)
    outputs = layers.Conv2D(21, 1, activation="softmax")(x)
    random = np.random.default_rng(0)
    x = random.standard_normal((1, 33, 33, 2048), np.float32)
    return Network(Model(inputs, outputs), x, random.integers(21, size=(1, 33, 33)))


def _unit(x: Any, size: int, rate: int) -> Any:
    from keras import layers

    x = layers.Conv2D(256, size, dilation_rate=rate, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def tcn(levels: int = 10, filters: int = 64) -> Network:
    """A temporal convolutional network (Bai, Kolter, Koltun 2018) of rates 1 … 512, two layers a level, 8 × 2048 steps."""
    from keras import Input, Model, layers

    inputs = Input((2048, filters))
    x = inputs
    for level in range(levels):
        y = x
        for _ in range(2):
            y = layers.Conv1D(filters, 3, padding="causal", dilation_rate=2**level, activation="relu")(y)
        x = layers.ReLU()(layers.Add()([x, y]))
    outputs = layers.Dense(10, activation="softmax")(x)
    random = np.random.default_rng(0)
    x = random.standard_normal((8, 2048, filters), np.float32)
    return Network(Model(inputs, outputs), x, random.integers(10, size=(8, 2048)))


NETWORKS: dict[str, Callable[[], Network]] = {"classifier": classifier, "deeplab": deeplab, "tcn": tcn}


if __name__ == "__main__":
    typer.run(main)
