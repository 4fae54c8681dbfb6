"""What dilation buys a network that generates sound: WaveNet with either head, and each with rate 1, beside linear prediction.

    python benchmarks/generation_with_and_without_dilation.py --data FOLDER [--where COLUMN=VALUE] [--epochs N] [--seeds N]

All are trained by the same loop for as many steps of as many samples. Bits per sample are of the held-out files, of the same
mu-law codes for all (`atrous.tasks.audio_generation.codes`); distances are of what is generated to these files. Seconds are the
processor's, test and report included.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from with_and_without import alone, of_run, slug, spread

NETWORKS: dict[str, dict[str, Any]] = {
    "categorical": {},
    "categorical, rates 1": {"rates": 1},
    "logistics": {"head": "logistics"},
    "logistics, rates 1": {"head": "logistics", "rates": 1},
}


def main(
    data: Annotated[str, typer.Option(help="What `atrous train audio-generation --data` takes.")],
    where: Annotated[str | None, typer.Option(help="Rows of a list that are taken.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of every network; by default the recipe's.")] = None,
    crops: Annotated[int | None, typer.Option(help="Steps of an epoch; by default the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every network.")] = 1,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
    networks: Annotated[str, typer.Option(help="Which of them, numbers with commas between.")] = "1,2,3,4",
) -> None:
    """Trains every network with every seed and prints the table."""
    chosen = [list(NETWORKS)[int(number) - 1] for number in networks.split(",")]
    options = {"data": str(Path(data).absolute()), "where": where, "epochs": epochs, "crops": crops}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as temporary:
        folder = output or Path(temporary)
        for seed in range(seeds):
            for name in chosen:
                run = folder / f"{slug(name).replace(',', '')}-{seed}"
                results[name].append(alone(train, run, {**options, **NETWORKS[name], "seed": seed}))
                print(f"seed={seed} network={name!r} bits_per_sample={results[name][-1]['bits_per_sample']:.4f}", flush=True)
    Console(width=None if sys.stdout.isatty() else 150).print(table(results))


def train(output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous

    run = atrous.train("audio-generation", output=output, quiet=True, **options)
    test, plan = run.test or {}, run.config.plan
    figures = {name: test[name] for name in ("bits_per_sample", "predictors", "sound")}
    return {**figures, "field": 1000 * plan["field"] / plan["sample_rate"], "processor": time.process_time(), **of_run(run)}


def table(results: dict[str, list[dict[str, Any]]]) -> Table:
    """A row a network, and a row a predictor."""
    found = Table("", "parameters", "field, ms", "seconds", "bits per sample", "spectrum, dB", "levels, dB", "each seed")
    for name, runs in results.items():
        sound = [run["sound"]["network"] for run in runs]
        found.add_row(
            name,
            f"{runs[0]['parameters']:,}",
            f"{runs[0]['field']:.3g}",
            f"{mean(run['processor'] for run in runs):.0f}",
            spread([run["bits_per_sample"] for run in runs]),
            spread([each["spectrum"] for each in sound]),
            spread([each["timbre"] for each in sound]),
            " ".join(f"{run['bits_per_sample']:.4f}" for run in runs),
        )
    first = next(iter(results.values()))[0]
    for name, bits in first["predictors"].items():
        found.add_row(f"linear predictor, {name}", "", "", "", f"{bits:.4f}", "", "", "")
    for name, distance in first["sound"].items():
        if name != "network":
            found.add_row(name, "", "", "", "", f"{distance['spectrum']:.2f}", f"{distance['timbre']:.2f}", "")
    return found


if __name__ == "__main__":
    typer.run(main)
