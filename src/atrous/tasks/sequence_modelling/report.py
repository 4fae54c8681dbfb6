"""What the pages of these tasks share."""

from __future__ import annotations

import dataclasses
from typing import Any

from markupsafe import Markup

from atrous.report.page import render
from atrous.tasks.sequence_modelling.recipe import SequenceModelling

LAYERS = "Sizes are steps × channels; the receptive field is in steps."


def field_section(recipe: SequenceModelling, explain: str, lengths: dict[str, int]) -> Markup:
    """What the network sees beside other lengths, as bars of one scale, and how many parameters the other kinds would have.

    Args:
        recipe: The network.
        explain: A sentence on the lengths.
        lengths: In steps, by what they are called.
    """
    seen = {"the network sees": recipe.field} if recipe.field is not None else {"the network sees": max(lengths.values())}
    rows = {**{name: n for name, n in seen.items() if n is not None}, **lengths}
    longest = max(rows.values())
    return render(
        __package__ or "",
        "field.html",
        explain=explain,
        rows=[_row(name, n, 100 * n / longest, recipe) for name, n in rows.items()],
        beside=beside(recipe),
    )


def _row(name: str, steps: int, percent: float, recipe: SequenceModelling) -> dict[str, Any]:
    told = "all" if name == "the network sees" and recipe.field is None else f"{steps:,}"
    return {"name": name, "values": (told,), "percent": f"{percent:.1f}"}


def beside(recipe: SequenceModelling) -> str:
    """What the other kinds of network would be, of as many parameters."""
    other = {kind: dataclasses.replace(recipe, network=kind) for kind in ("tcn", "lstm", "gru")}
    told = [f"the TCN has {other['tcn'].tcn_parameters:,} parameters"]
    for kind in ("lstm", "gru"):
        each = other[kind]
        told.append(f"--network {kind} one layer of {each.units:,} units, {each.recurrent_parameters(each.units):,}")
    return f"Of equal size: {'; '.join(told)}."


def choices(recipe: SequenceModelling) -> list[str]:
    """The sentence on the recipe."""
    told = [recipe.described, f"dropout {recipe.dropout:g}"]
    if recipe.input_dropout:
        told.append(f"of the input {recipe.input_dropout:g}")
    return [*told, f"gradient clipped at {recipe.clip:g}"] if recipe.clip else told
