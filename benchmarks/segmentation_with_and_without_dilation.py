"""What dilation buys a segmenter in the same training time: the recipe, the same network with rate 1, and a U-Net.

    python benchmarks/segmentation_with_and_without_dilation.py --data FOLDER [--minutes N] [--seeds N] [--output FOLDER]

All three are trained by the same loop on the same crops with the same schedule. `--rates 1` has the same parameters and maps of
the same sizes; the U-Net (Ronneberger, Fischer, Brox 2015, arXiv 1505.04597; three levels, batch normalisation, bilinear
up-sampling) has as many parameters as its widths allow. A short run of each tells what an epoch takes; then each gets as many
epochs as fit into the time. Every run is a process of its own, one after the other, the networks taking turns. The table goes
to the terminal, the runs to the output folder, where `atrous compare` finds them.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

NETWORKS: dict[str, dict[str, Any]] = {"dilated": {}, "rates 1": {"rates": 1}, "u-net": {}}
PROBE = 4  # epochs of the run that tells what an epoch takes: as long as its shortest, for whatever disturbs makes it longer


def main(
    data: Annotated[str, typer.Option(help="What `atrous train segmentation --data` takes.")],
    minutes: Annotated[float, typer.Option(help="Training time of every run.")] = 6.0,
    seeds: Annotated[int, typer.Option(help="Runs of every network.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 8,
) -> None:
    """Trains every network with every seed and prints the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, options = output or Path(temporary), {"data": str(Path(data).absolute()), "batch_size": batch_size}
        epochs: dict[str, int] = {}
        for name in NETWORKS:
            probe = alone(train, name, Path(temporary) / f"probe-{slug(name)}", {**options, "epochs": PROBE})
            epochs[name] = max(1, round(60 * minutes / min(probe["seconds"])))
            print(f"{name}: {epochs[name]} epochs", flush=True)
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in NETWORKS}
        for seed in range(seeds):
            for name in NETWORKS:
                run = folder / f"{slug(name)}-{seed}"
                results[name].append(alone(train, name, run, {**options, "epochs": epochs[name], "seed": seed}))
                print(f"seed={seed} network={name!r} mean_iou={results[name][-1]['mean_iou']:.4f}", flush=True)
    for table in tables(results, epochs):
        Console().print(table)


def alone(function: Any, *arguments: Any) -> Any:
    """Calls a function in a process of its own, and gives what it returns."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def train(name: str, output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous

    if name == "u-net":
        from atrous.tasks.segmentation import network

        network.build = u_net  # the loop asks it for the model
    run = atrous.train("segmentation", output=output, quiet=True, **{**options, **NETWORKS[name]})
    test = run.test or {}
    return {
        "mean_iou": test["mean_iou"],
        "classes": {each: row["iou"] for each, row in test["classes"].items()},
        "parameters": run.load_model().count_params(),
        "seconds": [row["seconds"] for row in run.metrics],
    }


def u_net(recipe: Any, class_names: Any, palette: Any, policy: str) -> Any:
    """A U-Net with the parameters of the recipe's network, as nearly as its width allows."""
    from atrous.models import DeepLabV3Plus

    low = max(8, round(3 / 16 * recipe.filters))  # as the task makes it
    made = {"output_stride": recipe.output_stride, "rates": recipe.rates, "filters": recipe.filters, "low_level_filters": low}
    wanted = DeepLabV3Plus(recipe.backbone, len(class_names), **made).count_params()
    width = min(range(4, 129), key=lambda width: abs(_count(width, len(class_names)) - wanted))
    return _u_net(width, class_names, palette, policy)


def _u_net(width: int, class_names: Any, palette: Any, policy: str) -> Any:
    import keras
    from keras import layers

    from atrous.blocks import ResizeLike
    from atrous.models.labels import ClassLabels

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, dtype=policy)(x)
            x = layers.ReLU(dtype=policy)(layers.BatchNormalization(momentum=0.9, dtype=policy)(x))
        return x

    pixels = keras.Input((None, None, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, -1.0, dtype=policy)(pixels)
    skipped = []
    for level in range(3):
        x = twice(x, width * 2**level)
        skipped.append(x)
        x = layers.MaxPooling2D(dtype=policy)(x)
    x = twice(x, width * 8)
    for level in (2, 1, 0):
        x = ResizeLike(dtype=policy)([x, skipped[level]])
        x = twice(layers.Concatenate(dtype=policy)([x, skipped[level]]), width * 2**level)
    logits = layers.Conv2D(len(class_names), 1, dtype="float32", name="logits")(x)
    return keras.Model(pixels, ClassLabels(class_names, palette, dtype="float32", name="labels")(logits), name="u_net")


def _count(width: int, classes: int) -> int:
    """Parameters of `_u_net`: kernels, and four numbers a channel of each normalisation."""
    total, channels, levels = 0, 3, [width, 2 * width, 4 * width, 8 * width]
    for filters in levels:
        total += 9 * channels * filters + 9 * filters * filters + 8 * filters
        channels = filters
    for filters in levels[2::-1]:
        total += 9 * (channels + filters) * filters + 9 * filters * filters + 8 * filters
        channels = filters
    return total + (width + 1) * classes


def tables(results: dict[str, list[dict[str, Any]]], epochs: dict[str, int]) -> list[Table]:
    """Networks, and classes."""
    whole = Table("network", "parameters", "epochs", "seconds an epoch", "test mean IoU", "each seed")
    for name, runs in results.items():
        scores = [run["mean_iou"] for run in runs]
        spread = f" ± {stdev(scores):.4f}" if len(scores) > 1 else ""
        seconds = mean(second for run in runs for second in run["seconds"])
        each = " ".join(f"{score:.4f}" for score in scores)
        whole.add_row(
            name, f"{runs[0]['parameters']:,}", str(epochs[name]), f"{seconds:.1f}", f"{mean(scores):.4f}{spread}", each
        )
    classes = Table("class", *results)
    for each in results["dilated"][0]["classes"]:
        found = [[run["classes"][each] or 0.0 for run in runs] for runs in results.values()]
        classes.add_row(each, *(f"{mean(values):.3f}" for values in found))
    return [whole, classes]


def slug(name: str) -> str:
    """For a folder."""
    return name.replace(" ", "-")


if __name__ == "__main__":
    typer.run(main)
