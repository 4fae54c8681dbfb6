"""The page's part on the adding problem: what was said beside what is true, errors by distance, field beside T."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from atrous import plots
from atrous.report import embed
from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.adding_problem.evaluation import sums
from atrous.tasks.adding_problem.recipe import AddingProblem
from atrous.tasks.sequence_modelling.generated import GeneratedData, field_notes
from atrous.tasks.sequence_modelling.report import LAYERS, choices, field_section
from atrous.tasks.sequence_modelling.sequences import SequencePart

_DRAWN = 400  # dots; more make the page heavy
_BANDS = 5


def contents(run: Run, model: keras.Model, data: GeneratedData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe = cast(AddingProblem, run.config.recipe)
    said, true = sums(model, data.test)
    drawn = min(_DRAWN, len(true))
    scatter = embed.svg(
        plots.true_and_said(true[:drawn].tolist(), said[:drawn].tolist()),
        name="sums",
        alt=f"Sums as said beside true ones: mean absolute error {test['mae']:.3f}, the largest {test['worst']:.3f}.",
    )
    section = render(
        __package__ or "",
        "sections.html",
        without=f"{test['always_one']:.4f}",
        scatter=scatter,
        drawn=drawn,
        examples=test["examples"],
        distances=_by_distance(data.test, said - true, recipe.length),
    )
    field = field_section(
        recipe, "A marked number counts only where the last step of the network sees it.", {"a sequence": recipe.length}
    )
    return Contents(
        lead=f"{len(data.train):,} sequences of {recipe.length:,} steps, drawn by seed {recipe.seed}.",
        facts=[
            {"name": "Test MSE", "value": f"{test['mse']:.2g}", "note": f"always 1: {test['always_one']:.4f}"},
            {"name": "Mean error", "value": f"{test['mae']:.2g}", "note": f"the largest {test['worst']:.2g}"},
            {
                "name": "Sees",
                "value": "all" if recipe.field is None else f"{recipe.field:,}",
                "note": f"needs {recipe.needs:,} steps",
            },
        ],
        labels={"loss": "mean squared error"},
        notes=[*field_notes(recipe, "numbers that are marked before can't be added"), *_worth(test)],
        sections=[section, field],
        choices=choices(recipe),
        layers=LAYERS,
    )


def _worth(test: Mapping[str, Any]) -> list[str]:
    if test["mse"] < 0.5 * test["always_one"]:
        return []
    return [
        f"Always saying 1 would give {test['always_one']:.4f}: the network has learnt little or nothing yet. More epochs may "
        "help; so may another --seed or a smaller --learning-rate."
    ]


def _by_distance(part: SequencePart, errors: NDArray[np.float64], length: int) -> list[dict[str, str]]:
    """Of equal bands of distance between the first mark and the last step."""
    back = np.array([length - 1 - int(np.flatnonzero(np.asarray(each)[:, 1])[0]) for each in part.inputs])
    edges = np.unique(np.linspace(0, length, _BANDS + 1).round().astype(int))
    rows = []
    for low, high in itertools.pairwise(edges.tolist()):
        inside = errors[(back >= low) & (back < high)]
        mse = f"{float(np.mean(inside**2)):.2g}" if len(inside) else "–"
        rows.append({"name": f"{low:,} … {high - 1:,}", "count": f"{len(inside):,}", "mse": mse})
    return rows
