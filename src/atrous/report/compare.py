"""Runs side by side on one page, of any task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from atrous import tasks
from atrous.plots.curves import compared_curves
from atrous.report import embed
from atrous.report.explore import palette
from atrous.report.facts import duration
from atrous.run import replacing
from atrous.tasks.recipe import spoken

if TYPE_CHECKING:
    from atrous.run import Run

COMMON = ("examples", "loss", "confidence", "confusion", "classes")
"""What `test.json` holds beside shares."""


def write(runs: Sequence[Run], file: Path) -> Path:
    """Writes the page.

    Args:
        runs: Finished ones, of one task.
        file: The page.

    Returns:
        The file.

    Raises:
        ValueError: There are fewer than two runs, they are of several tasks, or one isn't finished.
    """
    if len(runs) < 2:
        raise ValueError(f"`runs` must be at least two. Received: {len(runs)}.")
    found = list(dict.fromkeys(run.config.recipe.task for run in runs))
    if len(found) > 1:
        raise ValueError(f"`runs` must be of one task. Received: {', '.join(found)}.")
    for run in runs:
        if run.test is None:
            raise ValueError(f"`runs` must be finished. Received: {str(run.path)!r}. Finish it: atrous train --resume …")
    from atrous.report.page import render, style

    text = render("atrous.report", "compare.html", style=style(), **_contents(runs, found[0]))
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return file


def _contents(runs: Sequence[Run], task: str) -> dict[str, Any]:
    names = _names(runs)
    metric = runs[0].config.recipe.metric
    data = list(dict.fromkeys(run.config.data for run in runs))
    return {
        "task": task.replace("-", " "),
        "names": names,
        "metric": spoken(metric),
        "lead": f"{len(runs)} runs on {', '.join(dict.fromkeys(run.config.dataset for run in runs))}."
        + (" They were tested on different data: their figures don't compare." if len(data) > 1 else ""),
        "results": _results(runs),
        "choices": _choices(runs),
        "classes": _classes(runs),
        "curves": [_curves(runs, names, f"val_{metric}"), _curves(runs, names, "val_loss")],
        "sections": tasks.find(task).compared(runs, names),
        "commands": [{"name": name, "command": run.config.command} for name, run in zip(names, runs, strict=True)],
        "palette": palette(),
    }


def _names(runs: Sequence[Run]) -> list[str]:
    """The folders' names, as long as they differ."""
    names = [run.path.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _results(runs: Sequence[Run]) -> list[dict[str, Any]]:
    recipe = runs[0].config.recipe
    tests = [run.test or {} for run in runs]
    shares = [name for name, value in tests[0].items() if isinstance(value, float) and name not in COMMON]
    shares = [name for name in shares if all(isinstance(test.get(name), float) for test in tests)]
    rows = [
        _row(f"test {spoken(name)}", [test[name] for test in tests], _written(recipe, name), best=_best(recipe, name))
        for name in sorted(shares, key=lambda name: name != recipe.metric)
    ]
    rows.append(_row("test loss", [test["loss"] for test in tests], lambda v: f"{v:.4f}", best=min))
    rows.append(_row("parameters", [run.load_model().count_params() for run in runs], lambda v: f"{v:,}"))
    rows.append(_row("epochs", [len(run.metrics) for run in runs], str))
    rows.append(_row("best epoch", [int((run.best(run.metrics) or {"epoch": 0})["epoch"]) for run in runs], str))
    rows.append(_row("training time", [sum(row["seconds"] for row in run.metrics) for run in runs], duration))
    return rows


def _best(recipe: Any, name: str) -> Any:
    """What is better of two; nothing where neither is."""
    if name in recipe.neutral:
        return None
    return min if recipe.lower_is_better and name in (recipe.metric, *recipe.errors) else max


def _written(recipe: Any, name: str) -> Any:
    """A share in percent; an error, of which less is better, as it is."""
    is_error = recipe.lower_is_better and name in (recipe.metric, *recipe.errors)
    return lambda value: f"{value:.4f}" if is_error else f"{100 * value:.2f} %"


def _row(name: str, values: Sequence[Any], written: Any, best: Any = None) -> dict[str, Any]:
    winner = None if best is None or len(set(values)) == 1 else best(values)
    return {"name": name, "cells": [{"text": written(value), "best": value == winner} for value in values]}


def _choices(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What the recipes differ in."""
    every = [run.config.recipe for run in runs]
    rows = []
    for name in every[0].options():
        values = [getattr(recipe, name) for recipe in every]
        if len(set(values)) > 1:
            rows.append({"name": name.replace("_", " "), "cells": [_text(value) for value in values]})
    return rows


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return (
        "–" if value is None else {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )


def _classes(runs: Sequence[Run]) -> dict[str, Any] | None:
    """The first share that is told of each class, where the runs have the same classes."""
    tables: list[Mapping[str, Mapping[str, Any]]] = [(run.test or {}).get("classes", {}) for run in runs]
    if not tables[0] or any(list(table) != list(tables[0]) for table in tables):
        return None
    measure = next(name for name, value in next(iter(tables[0].values())).items() if not isinstance(value, int))
    rows = []
    for name in tables[0]:
        values = [table[name][measure] for table in tables]
        known = [value for value in values if value is not None]
        winner = max(known) if len(set(known)) > 1 else None
        cells = [{"text": "–" if v is None else f"{100 * v:.1f} %", "best": v is not None and v == winner} for v in values]
        rows.append({"name": name, "cells": cells})
    return {"measure": spoken(measure), "rows": rows}


def _curves(runs: Sequence[Run], names: Sequence[str], column: str) -> Markup:
    series = {name: [row[column] for row in run.metrics] for name, run in zip(names, runs, strict=True)}
    label = spoken(column.replace("val_", "validation "))
    axes = compared_curves(series, metric=label)
    ends = ", ".join(f"{name} ends at {values[-1]:.3f}" for name, values in series.items() if values)
    return embed.svg(axes, name=column.replace("_", "-"), alt=f"{label} over the epochs: {ends}.")
