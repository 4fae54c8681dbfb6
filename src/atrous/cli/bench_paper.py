"""The command `atrous bench-paper`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atrous.cli import messages
from atrous.tasks.recipe import parse_choice, spoken

if TYPE_CHECKING:
    from atrous.papers import Measured, Paper


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("bench-paper")(bench_paper)


def bench_paper(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="bai2018.", show_default=False)],
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Of bai2018: adding-200, adding-600, copy-500, copy-1000, jsb, nottingham."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="With JSB_Chorales.mat and Nottingham.mat; without, these are left out."),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Of the runs. Default: runs/<paper>.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each entry.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny networks, few examples: whether all works.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line an entry instead of a table.")] = False,
) -> None:
    """Print a paper's table with ours beside; what is not trained yet is trained, which may take hours.

    Every entry is a run. A command that was stopped goes on where it was.
    """
    workflow = messages.load_workflow(as_json)
    from atrous import papers

    parse_choice("paper", paper, tuple(papers.PAPERS))
    chosen, folder = papers.PAPERS[paper], output or Path("runs") / (f"{paper}-quick" if quick else paper)
    names = only.split(",") if only else []
    for row in chosen.chosen(names):
        if row.needs_data and data is None:
            messages.error(f"Left out: {row.title}. It needs a folder with its file: --data FOLDER")

    def train(*words: Any, **options: Any) -> Any:
        messages.error(f"Training {options.get('output') or options['resume'].path} …")
        return workflow.train(*words, progress=_progress(workflow), **options)

    found = []
    try:
        for entry in papers.measure(chosen, folder, data, names, quick, seeds, train):
            found.append(entry)
            if as_json:
                print(json.dumps(dataclasses.asdict(entry)), flush=True)
    except KeyboardInterrupt:
        messages.error("Stopped. The same command goes on from the last finished epoch.")
        raise typer.Exit(130) from None
    if found and not as_json:
        _show(chosen, found, quick)


def _progress(workflow: Any) -> Any:
    """A line an epoch, on stderr: stdout has the table."""

    class Lines(workflow.shown.Progress):  # type: ignore[misc, name-defined]
        def _print(self, fields: Any) -> None:
            if "epoch" in fields:
                print("  " + " ".join(f"{name}={value:.6g}" for name, value in fields.items()), file=sys.stderr, flush=True)

    return Lines()


def _show(paper: Paper, found: Sequence[Measured], quick: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = {row.name: row for row in paper.rows}
    table = Table(title=paper.title, caption=_caption(quick), box=box.SIMPLE_HEAD)
    table.add_column("task", overflow="fold")
    table.add_column("figure")
    for network in paper.networks:
        published = any(network.name in row.published for row in paper.rows)
        for title in (f"{network.title}\npublished", "ours") if published else (f"{network.title}\nours",):
            table.add_column(title, justify="right")
    table.add_column("parameters", justify="right")
    for name in dict.fromkeys(entry.row for entry in found):
        row, entries = rows[name], {entry.network: entry for entry in found if entry.row == name}
        for figure in (row.figure, *row.more):
            cells = []
            for network in paper.networks:
                entry = entries.get(network.name)
                if any(network.name in each.published for each in paper.rows):
                    cells.append(_figure(entry.published if entry and figure == row.figure else None))
                cells.append(_mean(entry, figure if figure != row.figure else None))
            sizes = sorted({entry.parameters for entry in entries.values()})
            told = f"{sizes[0]:,} … {sizes[-1]:,}" if len(sizes) > 1 else f"{sizes[0]:,}"
            first = figure == row.figure
            table.add_row(row.title if first else "", spoken(figure), *cells, told if first else "")
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)


def _caption(quick: bool) -> str:
    return (
        "Tiny networks and few examples: these figures say nothing."
        if quick
        else "Test; loss of copy memory is over all steps."
    )


def _mean(entry: Measured | None, more: str | None) -> str:
    if entry is None:
        return "–"
    values = entry.ours if more is None else entry.more[more]
    return _figure(sum(values) / len(values))


def _figure(value: float | None) -> str:
    return (
        "–"
        if value is None
        else f"{value:.2f}"
        if value >= 1 or value == 0
        else f"{value:.3f}"
        if value >= 0.01
        else f"{value:.1e}"
    )
