"""The command `atrous compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atrous.cli import messages
from atrous.run import Run


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(compare)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN…", help="Finished runs of one task.", show_default=False)],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path("compare.html"),
) -> None:
    """Write a page with runs side by side: results, what they differ in, curves, classes."""
    every = [Run(run) for run in runs]
    messages.load_workflow(quiet=False)
    from atrous.report.compare import write

    print(write(every, output))
