"""The page's part on copy memory: sequences, recall by place and by T, field beside T."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import keras
import numpy as np

from atrous.report.page import Contents, render
from atrous.run import Run
from atrous.tasks.copy_memory.data import draw
from atrous.tasks.copy_memory.evaluation import evaluate, without_memory
from atrous.tasks.copy_memory.recipe import DIGITS, SYMBOLS, CopyMemory
from atrous.tasks.sequence_modelling.generated import GeneratedData, field_notes
from atrous.tasks.sequence_modelling.report import LAYERS, choices, field_section
from atrous.tasks.sequence_modelling.sequences import SequencePart, outputs

_SHOWN = 6  # sequences
_ASKED = 100  # sequences for each other T
_OTHERS = (0.5, 0.9, 1.0, 1.1, 2.0)  # times T
_RIGHT = 0.99


def contents(run: Run, model: keras.Model, data: GeneratedData, test: Mapping[str, Any]) -> Contents:
    """What `Task.report` asks for."""
    recipe = cast(CopyMemory, run.config.recipe)
    chance = 1 / SYMBOLS
    section = render(
        __package__ or "",
        "sections.html",
        distance=recipe.needs - 1,
        silence=recipe.length - 1,
        strips=_strips(model, data.test),
        examples=test["examples"],
        tables=[
            {"title": "Recall of each digit", "rows": [_row(f"{i + 1}", share) for i, share in enumerate(test["places"])]},
            {"title": "Recall after another silence", "rows": _by_length(model, recipe)},
        ],
    )
    without = without_memory(recipe.length)
    field = field_section(
        recipe,
        "A digit can be recalled only where the network sees it when it is to be said.",
        {"from a digit to its answer": recipe.needs, "a sequence": recipe.length + 2 * DIGITS},
    )
    return Contents(
        lead=f"{len(data.train):,} sequences of {recipe.length + 2 * DIGITS:,} steps, drawn by seed {recipe.seed}.",
        facts=[
            {"name": "Test recall", "value": f"{test['recall']:.2%}", "note": f"by chance {chance:.1%}"},
            {"name": "All ten right", "value": f"{test['whole']:.1%}", "note": f"of {test['examples']:,} sequences"},
            {"name": "Cross-entropy", "value": f"{test['loss']:.2g}", "note": f"without memory {without:.3f}"},
            {
                "name": "Sees",
                "value": "all" if recipe.field is None else f"{recipe.field:,}",
                "note": f"needs {recipe.needs:,} steps",
            },
        ],
        labels={"loss": "cross-entropy", "recall": "recall"},
        notes=[*field_notes(recipe, "no digit can be recalled when it is asked for"), *_worth(test, chance)],
        sections=[section, field],
        choices=choices(recipe),
        layers=LAYERS,
    )


def _worth(test: Mapping[str, Any], chance: float) -> list[str]:
    if test["recall"] < chance + 0.05:
        return ["Recall is what chance gives: nothing was remembered. More epochs, or a network that sees further, may help."]
    worst = int(np.argmin(test["places"]))
    if test["recall"] < _RIGHT and max(test["places"]) > _RIGHT:
        return [f"Digit {worst + 1} is recalled least, {test['places'][worst]:.1%}; more epochs may help."]
    return []


def _strips(model: keras.Model, part: SequencePart) -> list[dict[str, Any]]:
    found = []
    for row, logits in outputs(model, part):
        true, said = np.asarray(part.targets[row])[-DIGITS:], logits[-DIGITS:].argmax(axis=-1)
        digits = [{"text": str(s), "true": str(t), "right": s == t} for s, t in zip(said, true, strict=True)]
        found.append({"shown": " ".join(map(str, true)), "said": digits, "right": int((said == true).sum())})
    ranked = sorted(found, key=lambda strip: cast(int, strip["right"]))
    return [ranked[i] for i in np.unique(np.linspace(0, len(ranked) - 1, min(_SHOWN, len(ranked))).round().astype(int))]


def _by_length(model: keras.Model, recipe: CopyMemory) -> list[dict[str, Any]]:
    rows = []
    for length in sorted({max(1, round(times * recipe.length)) for times in _OTHERS}):
        inputs, targets = draw(np.random.default_rng((recipe.seed, 3, length)), min(_ASKED, recipe.sequences), length)
        found = evaluate(model, SequencePart(inputs, targets, [""] * len(inputs)))
        rows.append(_row(f"T = {length:,}", found["recall"], length == recipe.length))
    return rows


def _row(name: str, share: float, own: bool = False) -> dict[str, Any]:
    return {"name": name, "share": f"{share:.1%}", "percent": f"{100 * share:.1f}", "own": own}
