"""What the command prints."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from atrous._backend import require_backend
from atrous.tasks.recipe import spoken

if TYPE_CHECKING:
    from atrous.recipes import Recipe
    from atrous.run import Run
    from atrous.surgery import Explanation
    from atrous.tasks.task import Prediction

debug = False
"""Whether errors keep their traceback, and libraries may talk."""


def load_workflow(quiet: bool) -> ModuleType:
    """Imports `atrous.workflow`, and with it Keras, which takes seconds: on a terminal it says so meanwhile."""
    from rich.console import Console

    require_backend()
    console = Console()
    waiting = contextlib.nullcontext() if quiet or not console.is_terminal else console.status("Starting Keras …")
    with waiting, contextlib.nullcontext() if debug else _silent_start():
        import atrous.models  # its classes, and those of blocks and layers, must be known to Keras
        import atrous.workflow

        return atrous.workflow


def interrupted(run: Run | None) -> None:
    """Says how to go on after Ctrl-C."""
    if run is None:
        error("Stopped before training began.")
    else:
        error(f"Stopped after {len(run.metrics)} epochs. Continue with: atrous train --resume {run.path}")


def error(text: str) -> None:
    """Prints a sentence to stderr."""
    print(text, file=sys.stderr)


def show(found: Any) -> None:
    """Prints something that knows how it looks on a terminal."""
    from rich.console import Console

    Console().print(found, highlight=False)


def note(text: str, quiet: bool = False) -> None:
    """Prints a sentence, unless what is printed is for a program."""
    if not quiet:
        print(text)


def is_mistake(error: Exception) -> bool:
    """Whether an error tells the user what to do: one that atrous raised itself, or the system on a file."""
    if isinstance(error, OSError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    ours = Path(__file__).parent.parent in Path(frames[-1].filename).parents
    return ours and isinstance(error, (ValueError, ArithmeticError, ImportError))


def sentence(error: Exception) -> str:
    """What is said of a mistake, on one line: of an error of the system its words and the file, without its number."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename is not None else error.strerror
    return " ".join(str(error).split())


def evaluation(result: Mapping[str, Any], recipe: Recipe) -> None:
    """Prints metric and loss, and a row a class."""
    from rich.console import Console

    console = Console()
    rows = result.get("classes", {})
    if rows:
        columns = list(next(iter(rows.values())))
        table = _table("class", *(f"{spoken(name)}>" for name in columns))
        for name, row in rows.items():
            table.add_row(name, *(_figure(row[column]) for column in columns))
        console.print(table)
    metric = spoken(recipe.metric)
    console.print(
        f"{metric[0].upper()}{metric[1:]} [bold green]{result[recipe.metric]:.4f}[/bold green] "
        f"on {result['examples']:,} {recipe.examples} (loss {result['loss']:.4f})",
        highlight=False,
    )


def prediction_table(predictions: Sequence[Prediction]) -> None:
    """Prints a row a file."""
    from rich.console import Console

    rows = [getattr(each, "to_row", each.to_json)() for each in predictions if each.error is None]
    if rows:
        table = _table(*(f"{name}>" if isinstance(value, (int, float)) else name for name, value in rows[0].items()))
        for row in rows:
            table.add_row(*map(_figure, row.values()))
        Console().print(table)


def prediction_lines(predictions: Iterable[Prediction]) -> None:
    """Prints a JSON object a file; what could not be read has an `error`."""
    for prediction in predictions:
        print(json.dumps(prediction.to_json()))


def explanation(found: Explanation, as_json: bool) -> None:
    """Prints the path of every convolution."""
    from rich.console import Console

    if as_json:
        print(json.dumps(dataclasses.asdict(found)))
    else:
        Console().print(found)


def recipes(all_recipes: Sequence[Recipe]) -> None:
    """Prints a table a task, with a row a recipe."""
    from rich.console import Console

    console = Console()
    for task in dict.fromkeys(recipe.task for recipe in all_recipes):
        table = _table("data", "dilation>", "epochs>", "batch>", "Adam>", "decay", "augment")
        for recipe in (recipe for recipe in all_recipes if recipe.task == task):
            table.add_row(
                recipe.kind or "any folder",
                ", ".join(map(str, getattr(recipe, "rates", ()))) or "by the data",
                str(recipe.epochs),
                str(recipe.batch_size),
                f"{recipe.learning_rate:g}",
                recipe.decay,
                ", ".join(getattr(recipe, "augment", ())) or "none",
            )
        console.print(f"\n[bold]{task}[/bold]", table, sep="\n")


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    return table


def _figure(value: Any) -> str:
    """As a table has it: a share in percent, a count, several shares by their names, classes with theirs, or text."""
    if isinstance(value, list) and value and "bbox" in value[0]:
        return f"{len(value):,}"
    if isinstance(value, list):
        return ", ".join(f"{each['class']} {_figure(each['probability'])}" for each in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_figure(each)}" for name, each in value.items())
    if isinstance(value, float):
        return f"{value:.1%}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


@contextlib.contextmanager
def _silent_start() -> Iterator[None]:
    """Keeps what TensorFlow's C++ code writes to stderr while it is loaded; TF_CPP_MIN_LOG_LEVEL works only later."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
