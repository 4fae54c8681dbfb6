"""What dilation buys a classifier of series: the recipe's network beside the same one with rate 1, and nearest neighbours.

    python benchmarks/series_classification_with_and_without_dilation.py --data FOLDER[,FOLDER…] [--epochs N] [--seeds N]

Both networks have as many weights, and are trained by the same loop for as many epochs on the same cases; the test is the
official one where a folder has it. Nearest neighbours are looked for once for each data set. Seconds are the processor's, of
training, test and page.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from with_and_without import slug, spread

NETWORKS: dict[str, dict[str, Any]] = {"dilated": {}, "rates 1": {"rates": 1}}


def main(
    data: Annotated[str, typer.Option(help="What `atrous train series-classification --data` takes, with commas between.")],
    epochs: Annotated[int | None, typer.Option(help="Of both networks; by default the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of both networks.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
    networks: Annotated[str, typer.Option(help="Which of them, numbers with commas between.")] = "1,2",
) -> None:
    """Trains both networks on each data set with every seed and prints the table."""
    chosen = [list(NETWORKS)[int(number) - 1] for number in networks.split(",")]
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = output or Path(temporary)
        for source in data.split(","):
            set_name = Path(source).resolve().name
            for seed in range(seeds):
                for name in chosen:
                    run = folder / slug(f"{set_name}-{name}-{seed}")
                    found = train(
                        run, folder / f"{set_name}.json", {"data": source, "epochs": epochs, "seed": seed, **NETWORKS[name]}
                    )
                    results.setdefault((set_name, name), []).append(found)
                    told = f"accuracy={found['accuracy']:.4f} macro_f1={found['macro_f1']:.4f} seconds={found['seconds']:.0f}"
                    print(f"data={set_name} seed={seed} network={name!r} {told}", flush=True)
    Console(width=None if sys.stdout.isatty() else 150).print(table(results))


def train(output: Path, kept: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values.

    Args:
        output: The run folder.
        kept: Where the nearest neighbours of this data set are, or go.
        options: Of `atrous.train`.
    """
    import atrous
    from atrous.tasks.series_classification import baselines, task

    class Kept(task.SeriesClassificationTask):
        def report(self, run: Any, *others: Any) -> Any:
            if kept.exists():
                shutil.copy(kept, run.path / baselines.FILE)
            return super().report(run, *others)

    task.TASK = Kept()
    start = time.process_time()
    run = atrous.train("series-classification", output=output, quiet=True, **options)
    seconds = time.process_time() - start
    shutil.copy(run.path / baselines.FILE, kept)
    test, held = run.test or {}, run.load_data()
    others = {each.name: each.accuracy for each in baselines.of_run(run, held)}
    figures = {name: test[name] for name in ("accuracy", "macro_f1")}
    parameters = run.load_model().count_params()
    return {
        **figures,
        "field": held.plan.field,
        "steps": held.plan.steps,
        "others": others,
        "seconds": seconds,
        "parameters": parameters,
    }


def table(results: dict[tuple[str, str], list[dict[str, Any]]]) -> Table:
    """A row a network on each data set, and a row a neighbour."""
    found = Table("data", "classifier", "parameters", "field", "steps", "seconds", "accuracy", "macro F1", "each seed")
    last = dict(results.keys())
    for (set_name, name), runs in results.items():
        each = " ".join(f"{run['accuracy']:.4f}" for run in runs)
        cells = [f"{runs[0]['parameters']:,}", f"{runs[0]['field']:,}", f"{runs[0]['steps']:,}"]
        cells += [f"{mean(run['seconds'] for run in runs):.0f}", spread([run["accuracy"] for run in runs])]
        found.add_row(set_name, name, *cells, spread([run["macro_f1"] for run in runs]), each)
        if name == last[set_name]:
            for other, share in runs[0]["others"].items():
                found.add_row(set_name, other, "", "", "", "", "–" if share is None else f"{share:.4f}", "", "")
    return found


if __name__ == "__main__":
    typer.run(main)
