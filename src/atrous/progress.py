"""What a training shows: a bar on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.status import Status

from atrous.run import Row, Run
from atrous.tasks.recipe import spoken


class Progress:
    """Shows one machine-readable line an epoch: `epoch=1 loss=… accuracy=… val_loss=… val_accuracy=… seconds=…`."""

    run: Run | None = None
    """The run, once it is known: for whoever has to say how to resume it."""

    def begin(self, run: Run, rows: Sequence[Row]) -> None:
        """Training begins, or goes on after the epochs of `rows`."""
        self.run = run
        self._print({"run": run.path, "epochs": run.config.recipe.epochs, "done": len(rows)})

    def step(self, epoch: int, step: int, means: Mapping[str, float]) -> None:
        """A step is done; `means` are over the epoch so far."""

    def epoch(self, row: Row, best: bool) -> None:
        """An epoch is done and saved."""
        self._print(row)

    def finishing(self) -> None:
        """All epochs are done; testing and writing the report begins."""

    def end(self) -> None:
        """Nothing more will come, but `finished` if all went well."""

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self._print({"note": text})

    def finished(self, run: Run) -> None:
        """The run is complete."""
        test = run.test or {}
        figures = {f"test_{name}": test[name] for name in ("loss", run.config.recipe.metric) if name in test}
        self._print({**figures, "report": run.report_file})

    def _print(self, fields: Mapping[str, Any]) -> None:
        print(" ".join(f"{name}={shlex.quote(str(value))}" for name, value in fields.items()), flush=True)


class Terminal(Progress):
    """Shows a bar with loss, accuracy and time left, and a table of epochs that grows above it.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Bar | Status | None = None

    def begin(self, run: Run, rows: Sequence[Row]) -> None:
        """Shows what is trained, the epochs done before, and the bar."""
        self.run = run
        config, recipe = run.config, run.config.recipe
        self.console.print(
            f"[bold]{config.dataset}[/bold]: {config.examples['train']:,} {recipe.examples} {recipe.summary(config.facts)}"
            f" · run folder [bold]{run.path}[/bold]",
            highlight=False,
        )
        if len(rows) < recipe.epochs:
            self._header(recipe.metric)
            for row in rows:
                self.epoch(row, row is run.best(rows))
            self._start_bar(recipe.epochs, config.steps, len(rows), recipe.metric)

    def step(self, epoch: int, step: int, means: Mapping[str, float]) -> None:
        """Moves the bar."""
        if isinstance(self._live, Bar):
            figures = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
            done = (epoch - 1) * self._steps + step
            self._live.update(self._live.task_ids[0], completed=done, epoch=epoch, step=step, figures=figures)

    def epoch(self, row: Row, best: bool) -> None:
        """Adds a row to the table."""
        name = "" if self.run is None else self.run.config.recipe.metric
        metric = f"{row[name]:.4f}" if name in row else ""  # some are of whole data sets alone
        figures = f"{row['epoch']:>5}{row['loss']:>10.4f}{metric:>10}{row['val_loss']:>12.4f}{row[f'val_{name}']:>14.4f}"
        star = " ★" if best else "  "
        self.console.print(f"{figures}{star}{row['seconds']:>8.1f} s", style="bold" if best else "", highlight=False)

    def finishing(self) -> None:
        """Shows what is being waited for."""
        self.end()
        self._live = self.console.status("Testing the best epoch, writing the report …")
        self._live.start()

    def end(self) -> None:
        """Takes the bar away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def note(self, text: str) -> None:
        """Prints a line."""
        self.console.print(text, style="dim", highlight=False)

    def finished(self, run: Run) -> None:
        """Prints the result and where the report is."""
        test, recipe = run.test or {}, run.config.recipe
        self.console.print(
            f"\nTest {spoken(recipe.metric)} [bold green]{test[recipe.metric]:.4f}[/bold green] on {test['examples']:,} "
            f"{recipe.examples} (loss {test['loss']:.4f})\nReport: [bold]{run.report_file}[/bold]",
            highlight=False,
            soft_wrap=True,
        )

    def _header(self, metric: str) -> None:
        columns = f"{'epoch':>5}{'loss':>10}{metric:>10}{'val. loss':>12}{'val. ' + metric:>14}{'time':>12}"
        self.console.print(columns, style="dim", highlight=False)

    def _start_bar(self, epochs: int, steps: int, done: int, metric: str) -> None:
        self._steps = steps
        bar = Bar(
            TextColumn(f"epoch {{task.fields[epoch]:>{len(str(epochs))}}}/{epochs}"),
            BarColumn(bar_width=None),
            TextColumn(f"step {{task.fields[step]:>{len(str(steps))}}}/{steps}"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self.console,
            refresh_per_second=5,
            transient=True,
            expand=True,
        )
        figures = f"loss …       {metric} …     "
        bar.add_task("", total=epochs * steps, completed=done * steps, epoch=done + 1, step=0, figures=figures)
        bar.start()
        self._live = bar


def choose(quiet: bool | None = None) -> Progress:
    """Returns a bar on a terminal or in a notebook, lines elsewhere; `quiet` decides for lines or, if false, the bar."""
    console = Console()
    if quiet is None:
        quiet = not (console.is_terminal or console.is_jupyter)
    return Progress() if quiet else Terminal(console)
