"""The command: measures cases beside peers and prints what came out. `python -m benchmarks --help`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import claims, machine, measure, report
from benchmarks.peers import NAMES, OURS
from benchmarks.suite import QUICK, Case, choose, words
from benchmarks.worker import cores_of


class Direction(StrEnum):
    forward = "forward"
    training = "training"
    all = "all"


class Cores(StrEnum):
    one = "one"
    all = "all"
    both = "both"


def main(
    cases: Annotated[
        list[str] | None, typer.Option(help="Names, patterns (aspp33*) or tags (1d, 2d, depthwise, large).")
    ] = None,
    peers: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(NAMES)}; all by default.")] = None,
    direction: Annotated[
        Direction, typer.Option(help="Training is the gradients for input and weights of Σ y².")
    ] = Direction.all,
    cores: Annotated[Cores, typer.Option(help="Pinned to one core, on all of them, or the one after the other.")] = Cores.one,
    core: Annotated[int | None, typer.Option(help="The one core; the last by default.")] = None,
    ours: Annotated[str, typer.Option(help="Which of ours the others are compared with.")] = OURS[0],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repeats; without `--cases`, one case of each kind.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Folder for results.json and the charts; nothing is kept without.")
    ] = None,
) -> None:
    """Measures cases beside peers, interleaved, and checks every result against float64."""
    console = report.console()
    try:
        chosen = choose(cases or (QUICK if quick else ()))
        lanes = _peers(words(peers or ()), ours)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    one, every = cores_of(core), cores_of(core, every=True)  # the one first: it serves the run on one thread beside all
    plans: dict[Cores, list[tuple[int, ...]]] = {Cores.one: [one], Cores.all: [every], Cores.both: [one, every]}
    effort = measure.Effort(0.15, 3) if quick else measure.Effort()
    directions = ("forward", "training") if direction == Direction.all else (direction.value,)
    kept: dict[str, Any] = {"machine": machine.describe(), "ours": ours, "quick": quick, "runs": []}
    for pinned in plans[cores]:
        runs = _session(console, chosen, lanes, directions, pinned, effort, ours, kept)
        if output:
            output.mkdir(parents=True, exist_ok=True)
            (output / "results.json").write_text(json.dumps(kept, indent=1))
            from benchmarks import chart

            chart.draw(runs, ours, output / f"ratios-{len(pinned)}-core{'s' * (len(pinned) > 1)}.png")


def _session(
    console: Console,
    chosen: Sequence[Case],
    lanes: Sequence[str],
    directions: Sequence[str],
    cores: tuple[int, ...],
    effort: measure.Effort,
    ours: str,
    kept: dict[str, Any],
) -> list[measure.Run]:
    idleness = machine.check_idle(cores)
    console.rule(f"{len(cores)} core{'s' * (len(cores) > 1)}: {', '.join(map(str, cores))}")
    console.print(str(idleness), style="" if idleness.idle else "red")
    with measure.Session(lanes, cores, effort, ours if len(cores) > 1 else None) as session:
        for lane, version in session.versions.items():
            console.print(f"{lane}: {version}", highlight=False)
        for lane, why in session.absent.items():
            console.print(f"{lane}: absent: {why}", style="red")
        runs = measure.measure(session, chosen, directions, lambda run: console.print(_line(run, ours), highlight=False))
    for each in directions:
        console.print(report.times(runs, each, ours))
        console.print(report.errors(runs, each))
    console.print(report.verdicts(claims.claims(runs, measure.peers_of(runs), ours)))
    for problem in report.problems(runs):
        console.print(problem, highlight=False)
    after = machine.check_idle(cores)
    console.print(f"Afterwards: {after}", style="" if after.idle else "red")
    kept["runs"] += [report.record(run) for run in runs]
    kept.setdefault("idleness", []).append({"cores": cores, "before": str(idleness), "after": str(after)})
    kept["versions"] = session.versions
    return runs


def _line(run: measure.Run, ours: str) -> str:
    """Progress: one case done."""
    parts = [f"{lane} {1e3 * seconds:.2f}" for lane in run.timings if (seconds := run.seconds(lane))]
    return f"{run.case.name} {run.direction}: {', '.join(parts)}"


def _peers(names: Sequence[str], ours: str) -> list[str]:
    for name in (*names, ours):
        if name not in NAMES:
            raise ValueError(f"`peers` must be among {', '.join(NAMES)}. Received: {name!r}.")
    return [name for name in NAMES if not names or name in names or name == ours]


if __name__ == "__main__":
    typer.run(main)
