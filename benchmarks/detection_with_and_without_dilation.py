"""What dilation buys a detector in the same training time: the recipe, and the same network with rate 1.

    python benchmarks/detection_with_and_without_dilation.py --data FOLDER [--epochs N] [--seeds N] [--output FOLDER]

Both are trained by the same loop on the same pieces of images with the same schedule. `--rates 1` has the same parameters and
maps of the same sizes: without rates in the encoder, and without those that the last stages of the backbone (C4 and C5) have in
place of strides. Tested on whole images by pycocotools. The table goes to the terminal, the runs to the output folder, where
`atrous compare` finds them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from with_and_without import classes_table, measured, networks_table, of_run

NETWORKS: dict[str, dict[str, Any]] = {"dilated": {}, "rates 1": {"rates": 1}}
FIGURES = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_small": "small", "ap_medium": "medium", "ap_large": "large"}


def main(
    data: Annotated[str, typer.Option(help="What `atrous train detection --data` takes.")],
    epochs: Annotated[int | None, typer.Option(help="Of the dilated network; by default the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every network.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step; by default the recipe's.")] = None,
) -> None:
    """Trains both networks with every seed and prints the tables."""
    options = {"data": str(Path(data).absolute()), "batch_size": batch_size}
    results, lengths = measured("detection", train, NETWORKS, options, epochs, seeds, output, "ap50")
    Console(width=160).print(networks_table(results, lengths, FIGURES), classes_table(results, "AP50"), sep="\n")


def train(name: str, output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous

    run = atrous.train("detection", output=output, quiet=True, **{**options, **NETWORKS[name]})
    test = run.test or {}
    classes = {each: row["ap50"] for each, row in test["classes"].items()}
    return {**{figure: test[figure] for figure in FIGURES}, "classes": classes, **of_run(run)}


if __name__ == "__main__":
    typer.run(main)
