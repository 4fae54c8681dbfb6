"""The command `atrous explore`: writes the page where a stack is edited, and opens it if asked."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.words import integers


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(explore)


def explore(
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path("explore.html"),
    rates: Annotated[str, typer.Option(metavar="N,N,…", help="Dilation rates it starts with: one layer a rate.")] = "1,2,5",
    kernel_size: Annotated[str, typer.Option(metavar="N|N,N,…", help="Kernel size of all layers, or one a layer.")] = "3",
    strides: Annotated[str, typer.Option(metavar="N|N,N,…", help="Stride of all layers, or one a layer.")] = "1",
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Show it in a browser, if on a terminal.")] = False,
) -> None:
    """Write a page where a stack of layers is edited, and shows what it sees and costs."""
    from atrous.report import Stack, write_explore

    stack = Stack.parse(_numbers("rates", rates), _numbers("kernel_size", kernel_size), _numbers("strides", strides))
    path = write_explore(output, stack)
    print(path)
    if open_page and sys.stdout.isatty() and not webbrowser.open(path.resolve().as_uri()):
        print("There is no browser to open it with.", file=sys.stderr)


def _numbers(name: str, text: str) -> tuple[int, ...]:
    found = integers(name, text)
    return found if isinstance(found, tuple) else () if found is None else (found,)
