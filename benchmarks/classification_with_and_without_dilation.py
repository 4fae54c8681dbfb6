"""What dilation buys an image classifier: the recipe and a backbone at output stride 8, each beside itself with every rate 1.

    python benchmarks/classification_with_and_without_dilation.py --data FOLDER [--seeds N] [--epochs N] [--output FOLDER]

FOLDER has COCO's `instances_train.json` and `instances_val.json` with their images, here or in `JPEGImages`. Every object is
cut out with a tenth of its size around it: those of the first file are for training, those of the second for the test, which
is looked at once. Parameters and sizes of maps are equal with and without dilation. Every run is a process of its own, one
after the other, the networks taking turns. The table goes to the terminal, the runs to the output folder, where
`atrous compare` finds them.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

BACKBONE = {"backbone": "resnet_14_small", "output_stride": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "small network": {},
    "small network, rates 1": {"rates": 1},
    "resnet_14_small at 8": BACKBONE,
    "resnet_14_small at 8, rates 1": {**BACKBONE, "rates": 1},
}
AROUND = 0.1  # of an object's longer side that is cut out with it


def main(
    data: Annotated[Path, typer.Option(help="Images with boxes, in COCO's JSON.")],
    seeds: Annotated[int, typer.Option(help="Runs of every network.")] = 3,
    epochs: Annotated[int | None, typer.Option(help="Of every run; by default the recipe's.")] = None,
    size: Annotated[int, typer.Option(help="Height and width that objects are brought to, in pixels.")] = 64,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
) -> None:
    """Cuts out the objects, trains every network with every seed and prints the table."""
    with tempfile.TemporaryDirectory() as temporary:
        objects, folder = Path(temporary) / "objects", output or Path(temporary)
        for part, file in (("train", "instances_train.json"), ("test", "instances_val.json")):
            count = cut_out(data, json.loads((data / file).read_text(encoding="utf-8")), objects / part)
            print(f"{part}: {count} objects", flush=True)
        options = {"data": str(objects), "image_size": size, "epochs": epochs}
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in NETWORKS}
        for seed in range(seeds):
            for name, choices in NETWORKS.items():
                run = folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
                results[name].append(alone(train, run, {**options, **choices, "seed": seed}))
                print(f"seed={seed} network={name!r} accuracy={results[name][-1]['accuracy']:.4f}", flush=True)
    Console().print(table(results))


def cut_out(folder: Path, annotations: dict[str, Any], target: Path) -> int:
    """Writes a PNG an object, in one folder a category; how many there are."""
    names = {each["id"]: each["name"] for each in annotations["categories"]}
    files = {each["id"]: each["file_name"] for each in annotations["images"]}
    for each in annotations["annotations"]:
        place = target / names[each["category_id"]]
        place.mkdir(parents=True, exist_ok=True)
        file = folder / files[each["image_id"]]
        x, y, width, height = each["bbox"]
        around = AROUND * max(width, height)
        with Image.open(file if file.exists() else folder / "JPEGImages" / files[each["image_id"]]) as image:
            box = (
                max(0, round(x - around)),
                max(0, round(y - around)),
                min(image.width, round(x + width + around)),
                min(image.height, round(y + height + around)),
            )
            image.convert("RGB").crop(box).save(place / f"{each['id']:06}.png")
    return len(annotations["annotations"])


def alone(function: Any, *arguments: Any) -> Any:
    """Calls a function in a process of its own, and gives what it returns."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def train(output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous

    run = atrous.train("image-classification", output=output, quiet=True, **options)
    test = run.test or {}
    return {
        "accuracy": test["accuracy"],
        "loss": test["loss"],
        "parameters": run.load_model().count_params(),
        "seconds": [row["seconds"] for row in run.metrics],
    }


def table(results: dict[str, list[dict[str, Any]]]) -> Table:
    """A row a network."""
    rows = Table("network", "parameters", "seconds an epoch", "test accuracy", "each seed", "test loss")
    for name, runs in results.items():
        scores = [run["accuracy"] for run in runs]
        spread = f" ± {stdev(scores):.4f}" if len(scores) > 1 else ""
        rows.add_row(
            name,
            f"{runs[0]['parameters']:,}",
            f"{mean(second for run in runs for second in run['seconds']):.1f}",
            f"{mean(scores):.4f}{spread}",
            " ".join(f"{score:.4f}" for score in scores),
            f"{mean(run['loss'] for run in runs):.3f}",
        )
    return rows


if __name__ == "__main__":
    typer.run(main)
