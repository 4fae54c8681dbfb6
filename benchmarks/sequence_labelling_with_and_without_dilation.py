"""What dilation buys where every base of long DNA is labelled: the recipe, the same network with rate 1, a matrix beside.

    python benchmarks/sequence_labelling_with_and_without_dilation.py --data FOLDER [--variant 400nt] [--epochs N] [--seeds N]

Both networks have as many taps and weights, are trained by the same loop on the same windows in the same order, for as many
epochs, and label every base of both strands of the test part, each with the whole of what it sees. Beside them: the position
weight matrix of the training sites, on the same bases. A run is a process of its own; seconds are the processor's, of training,
test and page.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from with_and_without import alone, of_run, slug, spread

NETWORKS: dict[str, dict[str, Any]] = {"dilated": {}, "rates 1": {"rates": 1}}


def main(
    data: Annotated[str, typer.Option(help="What `atrous train sequence-labelling --data` takes.")],
    variant: Annotated[str | None, typer.Option(help="Of both networks; by default the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of both networks; by default the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
) -> None:
    """Trains both networks with every seed and prints the table."""
    options = {"data": str(Path(data).absolute()), "variant": variant, "epochs": epochs}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in NETWORKS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = output or Path(temporary)
        for seed in range(seeds):
            for name, own in NETWORKS.items():
                run = alone(train, folder / f"{slug(name)}-{seed}", {**options, **own, "seed": seed})
                results[name].append(run)
                print(
                    f"seed={seed} network={name!r} val_ap={run['val_ap']:.4f} ap={run['ap']:.4f} top_k={run['top_k']:.4f} "
                    f"cpu={run['cpu']:.0f}",
                    flush=True,
                )
    Console(width=None if sys.stdout.isatty() else 150).print(table(results))


def train(output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous
    from atrous.tasks.sequence_labelling import baseline
    from atrous.tasks.sequence_labelling.task import plan_of

    run = atrous.train("sequence-labelling", output=output, quiet=True, **options)
    test, data = run.test or {}, run.load_data()
    best = run.best(run.metrics) or {}
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **{name: test[name] for name in ("ap", "top_k")},
        "val_ap": best["val_ap"],
        "classes": {name: row["ap"] for name, row in test["classes"].items()},
        "field": plan_of(run.config).context + 1,
        "pwm": baseline.of_run(run, data.train, data.test, data.sites.types),
        "cpu": used.ru_utime + used.ru_stime,
        **of_run(run),
    }


def table(results: dict[str, list[dict[str, Any]]]) -> Table:
    """A row a network, and one of the matrix."""
    types = list(next(iter(results.values()))[0]["classes"])
    columns = [f"AP of {name}s" for name in types]
    found = Table("scores by", "parameters", "sees", "CPU s", "test AP", "top-k", *columns, "val. AP", "AP of each seed")
    for name, runs in results.items():
        cells = [f"{runs[0]['parameters']:,}", f"{runs[0]['field']:,}", f"{mean(run['cpu'] for run in runs):.0f}"]
        cells += [spread([run[figure] for run in runs]) for figure in ("ap", "top_k")]
        cells += [f"{mean(run['classes'][each] for run in runs):.4f}" for each in types]
        cells += [f"{mean(run['val_ap'] for run in runs):.4f}", " ".join(f"{run['ap']:.4f}" for run in runs)]
        found.add_row(name, *cells)
    pwm = next(iter(results.values()))[0]["pwm"]
    each = [f"{pwm['classes'][name]['ap']:.4f}" for name in types]
    found.add_row("PWM", "", "", "", f"{pwm['ap']:.4f}", f"{pwm['top_k']:.4f}", *each, "", "")
    return found


if __name__ == "__main__":
    typer.run(main)
