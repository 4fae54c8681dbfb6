"""The command `atrous models`."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import typer

from atrous.cli import messages


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(models)


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a table.")] = False) -> None:
    """List the models: what each costs and sees. Each is made for it, one after another."""
    messages.load_workflow(as_json)
    from atrous.models import table

    if as_json:
        for row in table.rows():
            print(json.dumps(dataclasses.asdict(row)), flush=True)
        return
    from rich import box
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD)
    for column in table.COLUMNS:
        is_text, most = column in ("model", "paper"), 16 if column == "paper" else None
        shown.add_column(
            column.replace(" ", "\n"),
            justify="left" if is_text else "right",
            overflow="fold",
            no_wrap=not is_text,
            max_width=most,
        )
    console = Console(width=None if sys.stdout.isatty() else 160)  # a file has no width to fit
    with Live(shown, console=console):
        for row in table.rows():
            shown.add_row(*row.texts())
