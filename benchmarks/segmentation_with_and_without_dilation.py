"""What dilation buys a segmenter in the same training time: the recipe, the same network with rate 1, and a U-Net.

    python benchmarks/segmentation_with_and_without_dilation.py --data FOLDER [--epochs N] [--seeds N] [--output FOLDER]

All three are trained by the same loop on the same crops with the same schedule. `--rates 1` has the same parameters and maps of
the same sizes; the U-Net (Ronneberger, Fischer, Brox 2015, arXiv 1505.04597; three levels, batch normalisation, bilinear
up-sampling) has as many parameters as its widths allow. How the time is divided, see `with_and_without.py`. The table goes to
the terminal, the runs to the output folder, where `atrous compare` finds them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from with_and_without import classes_table, measured, networks_table, of_run

from atrous.tasks.segmentation.network import build

NETWORKS: dict[str, dict[str, Any]] = {"dilated": {}, "rates 1": {"rates": 1}, "u-net": {}}


def main(
    data: Annotated[str, typer.Option(help="What `atrous train segmentation --data` takes.")],
    epochs: Annotated[int | None, typer.Option(help="Of the dilated network; by default the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every network.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 8,
) -> None:
    """Trains every network with every seed and prints the tables."""
    options = {"data": str(Path(data).absolute()), "batch_size": batch_size}
    results, lengths = measured("segmentation", train, NETWORKS, options, epochs, seeds, output, "mean_iou", prepare)
    whole = networks_table(results, lengths, {"mean_iou": "test mean IoU"})
    Console().print(whole, classes_table(results, "IoU"), sep="\n")


def train(name: str, output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous

    prepare(name)
    run = atrous.train("segmentation", output=output, quiet=True, **{**options, **NETWORKS[name]})
    test = run.test or {}
    return {
        "mean_iou": test["mean_iou"],
        "classes": {each: row["iou"] for each, row in test["classes"].items()},
        **of_run(run),
    }


def prepare(name: str) -> None:
    """Has the loop build the U-Net, or not."""
    from atrous.tasks.segmentation import network

    network.build = u_net if name == "u-net" else build


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


if __name__ == "__main__":
    typer.run(main)
