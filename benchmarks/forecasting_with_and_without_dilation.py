"""What dilation buys a forecaster: the recipe, the same network with rate 1, and both with and without last season's values.

    python benchmarks/forecasting_with_and_without_dilation.py --data CSV [--horizon N] [--epochs N] [--seeds N]

All are trained by the same loop for as many epochs, and tested from the same origins, beside seasonal naive and exponential
smoothing (statsmodels), whose errors are scaled alike. With rate 1 a network sees a few steps, and by default is given
these alone: it can't begin from last season's values, and has fewer origins a window. So it is no proof of what dilation
does. That are the two pairs that differ in nothing but rates: the first and the third network, given last season's values;
the fourth and the fifth, which begin from the last value.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from with_and_without import alone, of_run, slug, spread

NETWORKS: dict[str, dict[str, Any]] = {
    "dilated": {},
    "rates 1": {"rates": 1},
    "rates 1, given last season": {"rates": 1, "look_back": None},
    "dilated, not given last season": {"residual": False},
    "rates 1, same look-back, not given last season": {"rates": 1, "look_back": None, "residual": False},
}


def main(
    data: Annotated[str, typer.Option(help="What `atrous train forecasting --data` takes.")],
    horizon: Annotated[int | None, typer.Option(help="Steps ahead; by default as the task has it.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of every network; by default the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every network.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the runs go; by default nowhere that stays.")] = None,
    networks: Annotated[str, typer.Option(help="Which of them, numbers with commas between.")] = "1,2,3,4,5",
) -> None:
    """Trains every network with every seed and prints the table."""
    chosen = [list(NETWORKS)[int(number) - 1] for number in networks.split(",")]
    options = {"data": str(Path(data).absolute()), "horizon": horizon, "epochs": epochs}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    look_back = alone(look_back_of, options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = output or Path(temporary)
        for seed in range(seeds):
            for name in chosen:
                own = {key: look_back if key == "look_back" else value for key, value in NETWORKS[name].items()}
                run = alone(train, folder / f"{slug(name).replace(',', '')}-{seed}", {**options, **own, "seed": seed})
                results[name].append(run)
                print(f"seed={seed} network={name!r} mase={run['mase']:.4f} seconds={sum(run['seconds']):.0f}", flush=True)
    Console(width=None if sys.stdout.isatty() else 150).print(table(results))


def look_back_of(options: dict[str, Any]) -> int:
    """Of the dilated network."""
    from atrous import recipes, tasks

    recipe = recipes.find("forecasting", "").replace({key: value for key, value in options.items() if key != "data"})
    return int(tasks.find("forecasting").load(options["data"], recipe).plan.look_back)


def train(output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Trains one network; what came out, as plain values."""
    import atrous
    from atrous.tasks.forecasting import baselines
    from atrous.tasks.forecasting.task import plan_of

    run = atrous.train("forecasting", output=output, quiet=True, **options)
    plan, test = plan_of(run.config), run.test or {}
    others = {each.name: each.mase for each in baselines.of_run(run, run.load_data().test, plan)}
    figures = {name: test[name] for name in ("mase", "smape", "coverage")}
    return {**figures, "field": plan.field, "look_back": plan.look_back, "others": others, **of_run(run)}


def table(results: dict[str, list[dict[str, Any]]]) -> Table:
    """A row a network, and a row a forecast without one."""
    found = Table("forecast", "parameters", "field", "look-back", "seconds", "MASE", "sMAPE", "in the interval", "each seed")
    for name, runs in results.items():
        each = " ".join(f"{run['mase']:.4f}" for run in runs)
        seconds = mean(sum(run["seconds"]) for run in runs)
        cells = [f"{runs[0]['parameters']:,}", f"{runs[0]['field']:,}", f"{runs[0]['look_back']:,}", f"{seconds:.0f}"]
        cells += [spread([run["mase"] for run in runs]), spread([run["smape"] for run in runs])]
        found.add_row(name, *cells, spread([run["coverage"] for run in runs]), each)
    for name, mase in next(iter(results.values()))[0]["others"].items():
        found.add_row(name, "", "", "", "", "–" if mase is None else f"{mase:.4f}", "", "", "")
    return found


if __name__ == "__main__":
    typer.run(main)
