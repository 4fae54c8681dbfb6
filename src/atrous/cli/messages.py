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

if TYPE_CHECKING:
    from atrous.recipes import Recipe
    from atrous.run import Run
    from atrous.surgery import Explanation
    from atrous.workflow import Prediction

debug = False
"""Whether errors keep their traceback, and libraries may talk."""


def load_workflow(quiet: bool) -> ModuleType:
    """Imports `atrous.workflow`, and with it Keras, which takes seconds: on a terminal it says so meanwhile."""
    from rich.console import Console

    require_backend()
    console = Console()
    waiting = contextlib.nullcontext() if quiet or not console.is_terminal else console.status("Starting Keras …")
    with waiting, contextlib.nullcontext() if debug else _silent_start():
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


def evaluation(result: Mapping[str, Any]) -> None:
    """Prints accuracy and loss, and a row a class."""
    from rich.console import Console

    table = _table("class", "examples>", "recall>", "precision>")
    for name, row in result["classes"].items():
        table.add_row(name, f"{row['examples']:,}", _share(row["recall"]), _share(row["precision"]))
    console = Console()
    console.print(table)
    console.print(
        f"Accuracy [bold green]{result['accuracy']:.4f}[/bold green] on {result['examples']:,} images "
        f"(loss {result['loss']:.4f})",
        highlight=False,
    )


def prediction_table(predictions: Sequence[Prediction]) -> None:
    """Prints a row an image."""
    from rich.console import Console

    table = _table("image", "class", "probability>")
    for prediction in predictions:
        if prediction.error is None:
            table.add_row(prediction.file, prediction.class_name, _share(prediction.probability))
    if table.row_count:
        Console().print(table)


def prediction_lines(predictions: Iterable[Prediction]) -> None:
    """Prints a JSON object an image; unreadable images have an `error`."""
    for prediction in predictions:
        fields = {"file": prediction.file, "class": prediction.class_name, "probability": prediction.probability}
        print(json.dumps(fields if prediction.error is None else {"file": prediction.file, "error": prediction.error}))


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
                ", ".join(map(str, recipe.rates)),
                str(recipe.epochs),
                str(recipe.batch_size),
                f"{recipe.learning_rate:g}",
                recipe.decay,
                ", ".join(recipe.augment) or "none",
            )
        console.print(f"\n[bold]{task}[/bold]", table, sep="\n")


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


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
