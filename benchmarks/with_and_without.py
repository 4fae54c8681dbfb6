"""What networks reach in the same training time: every one trained by the same loop, with several seeds, taking turns.

The first network gets the epochs that are asked for, the others as many as take the same time: by the processor's time of a
step of each, measured in turns in one process, for the machine's speed may change meanwhile. Every run is a process of its own,
one after the other.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.table import Table

ROUNDS = 10  # steps of each network that are timed, behind one that compiles; the shortest counts

Result = dict[str, Any]
"""Of a run, as plain values: its figures, `parameters`, `seconds` of each epoch."""
Train = Callable[[str, Path, dict[str, Any]], Result]
"""Trains the network of a name into a folder, with options of `atrous.train`; a function of the script, as it is pickled."""


def measured(
    task: str,
    train: Train,
    networks: dict[str, dict[str, Any]],
    options: dict[str, Any],
    epochs: int | None,
    seeds: int,
    output: Path | None,
    shown: str,
    prepare: Callable[[str], None] | None = None,
) -> tuple[dict[str, list[Result]], dict[str, int]]:
    """Trains every network with every seed.

    Args:
        task: One of `atrous.tasks.TASKS`.
        train: Trains one.
        networks: Their names, and what options they have of their own.
        options: Of all of them.
        epochs: Of the first network; `None`: those of the recipe.
        seeds: Runs of every network.
        output: Where the runs go; `None`: nowhere that stays.
        shown: The figure that is printed as runs end.
        prepare: Called with a network's name before it is built.

    Returns:
        The results of each network, and its epochs.
    """
    steps, of_recipe = alone(seconds_a_step, task, networks, options, prepare)
    names = list(networks)
    lengths = {name: max(1, round((epochs or of_recipe) * steps[names[0]] / steps[name])) for name in names}
    for name in names:
        print(f"{name}: {1000 * steps[name]:.0f} ms a step, {lengths[name]} epochs", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = output or Path(temporary)
        results: dict[str, list[Result]] = {name: [] for name in names}
        for seed in range(seeds):
            for name in names:
                run = folder / f"{slug(name)}-{seed}"
                results[name].append(alone(train, name, run, {**options, "epochs": lengths[name], "seed": seed}))
                print(f"seed={seed} network={name!r} {shown}={results[name][-1][shown]:.4f}", flush=True)
    return results, lengths


def seconds_a_step(
    task: str, networks: dict[str, dict[str, Any]], options: dict[str, Any], prepare: Callable[[str], None] | None
) -> tuple[dict[str, float], int]:
    """Least processor time of a training step of each network, and the epochs of the recipe."""
    from atrous import recipes, tasks, training, workflow

    trained = tasks.find(task)
    steps = {}
    for name, own in networks.items():
        if prepare is not None:
            prepare(name)
        recipe = recipes.find(task, "").replace({**{key: value for key, value in options.items() if key != "data"}, **own})
        data = trained.load(options["data"], recipe)
        config = workflow._config(recipe, options["data"], data)
        model, batch = training._build(config), trained.batches(data.train, config)[0]
        model.train_on_batch(*batch)
        steps[name] = (model, batch)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(ROUNDS):
        for name, (model, batch) in steps.items():
            start = time.process_time()
            model.train_on_batch(*batch)
            seconds[name].append(time.process_time() - start)
    return {name: min(each) for name, each in seconds.items()}, recipe.epochs


def alone(function: Any, *arguments: Any) -> Any:
    """Calls a function in a process of its own, and gives what it returns."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def of_run(run: Any) -> Result:
    """What is known of any run."""
    return {"parameters": run.load_model().count_params(), "seconds": [row["seconds"] for row in run.metrics]}


def networks_table(results: dict[str, list[Result]], epochs: dict[str, int], figures: dict[str, str]) -> Table:
    """A row a network: its size, its time, and the mean of each figure over the seeds, with the deviation of the first.

    Args:
        results: Of each network.
        epochs: Of each network.
        figures: For each figure what it is called; the first one is told of each seed, too.
    """
    first = next(iter(figures))
    table = Table("network", "parameters", "epochs", "seconds an epoch", *figures.values(), "each seed")
    for name, runs in results.items():
        seconds = mean(second for run in runs for second in run["seconds"])
        cells = [spread([run[figure] for run in runs]) for figure in figures]
        each = " ".join(f"{run[first]:.4f}" for run in runs)
        table.add_row(name, f"{runs[0]['parameters']:,}", str(epochs[name]), f"{seconds:.1f}", *cells, each)
    return table


def classes_table(results: dict[str, list[Result]], figure: str) -> Table:
    """A row a class: a figure of it, its mean over the seeds, of each network."""
    table = Table(f"{figure} of class", *results)
    for each in next(iter(results.values()))[0]["classes"]:
        found = [[run["classes"][each] or 0.0 for run in runs] for runs in results.values()]
        table.add_row(each, *(f"{mean(values):.3f}" for values in found))
    return table


def spread(values: Sequence[float | None]) -> str:
    """Mean ± deviation; a dash where there is nothing to measure."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{mean(known):.4f}" + (f" ± {stdev(known):.4f}" if len(known) > 1 else "")


def slug(name: str) -> str:
    """For a folder."""
    return name.replace(" ", "-")
